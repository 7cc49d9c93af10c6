//! The wire against its last frozen form, in `previous/`: during a rollout both are spoken at once.
//!
//! What was there stays as it was; what is new has numbers of its own. `BLESS=1 cargo test -p silverback-proto compat`
//! freezes the present form, which is for releases alone.

use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};

const FILES: [&str; 4] = ["sync.proto", "state.proto", "config.proto", "gateway.proto"];
const FOLDER: &str = "silverback/v1";

fn present() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

fn previous() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("previous")
}

fn pool(root: &Path) -> DescriptorPool {
    let files = FILES.map(|file| root.join(FOLDER).join(file));
    DescriptorPool::from_file_descriptor_set(protox::compile(files, [root]).unwrap()).unwrap()
}

fn ours(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> {
    pool.all_messages().filter(|message| message.package_name() == "silverback.v1")
}

/// What must not change of a field.
fn shape(field: &FieldDescriptor) -> (String, String, String, Option<String>) {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(value) => value.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    let oneof = field.containing_oneof().map(|oneof| oneof.name().to_owned());
    (field.name().to_owned(), kind, format!("{:?}", field.cardinality()), oneof)
}

fn compare_messages(old: &MessageDescriptor, new: &MessageDescriptor, breaks: &mut Vec<String>) {
    for field in old.fields() {
        let (number, name) = (field.number(), field.full_name().to_owned());
        match new.get_field(number) {
            Some(now) if shape(&now) == shape(&field) => (),
            Some(now) => breaks.push(format!("{name} = {number} was {:?} and is {:?}", shape(&field), shape(&now))),
            None if new.reserved_ranges().any(|range| range.contains(&number)) => (),
            None => breaks.push(format!("{name} = {number} is gone; reserve its number")),
        }
    }
    for range in old.reserved_ranges() {
        let reused = new.fields().filter(|field| range.contains(&field.number()));
        reused.for_each(|field| breaks.push(format!("{} takes a number that was reserved", field.full_name())));
    }
}

fn compare_enums(old: &EnumDescriptor, new: &EnumDescriptor, breaks: &mut Vec<String>) {
    for value in old.values() {
        if new.get_value(value.number()).is_none_or(|now| now.name() != value.name()) {
            breaks.push(format!("{} = {} is gone or means something else", value.full_name(), value.number()));
        }
    }
}

/// Everything of `old` that `new` breaks.
fn breaks(old: &DescriptorPool, new: &DescriptorPool) -> Vec<String> {
    let mut breaks = Vec::new();
    for message in ours(old) {
        match new.get_message_by_name(message.full_name()) {
            Some(now) => compare_messages(&message, &now, &mut breaks),
            None => breaks.push(format!("{} is gone", message.full_name())),
        }
    }
    for value in old.all_enums().filter(|value| value.package_name() == "silverback.v1") {
        match new.get_enum_by_name(value.full_name()) {
            Some(now) => compare_enums(&value, &now, &mut breaks),
            None => breaks.push(format!("{} is gone", value.full_name())),
        }
    }
    for method in old.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let call = |method: &prost_reflect::MethodDescriptor| {
            let streams = (method.is_client_streaming(), method.is_server_streaming());
            (method.input().full_name().to_owned(), method.output().full_name().to_owned(), streams)
        };
        let now = new.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        if !now.into_iter().any(|now| now.full_name() == method.full_name() && call(&now) == call(&method)) {
            breaks.push(format!("{} is gone or is called otherwise", method.full_name()));
        }
    }
    breaks
}

/// A message with something in every field; of each oneof the alternative of that number.
fn filled(message: &MessageDescriptor, alternative: usize) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields().filter(|field| field.containing_oneof().is_none()) {
        filled.set_field(&field, value(&field, alternative));
    }
    for oneof in message.oneofs() {
        let fields: Vec<_> = oneof.fields().collect();
        let field = &fields[alternative % fields.len()];
        filled.set_field(field, value(field, alternative));
    }
    filled
}

fn value(field: &FieldDescriptor, alternative: usize) -> Value {
    let one = match field.kind() {
        Kind::Message(message) => Value::Message(filled(&message, alternative)),
        Kind::Enum(value) => Value::EnumNumber(value.values().last().map_or(0, |value| value.number())),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(field.name().to_owned()),
        Kind::Bytes => Value::Bytes(field.name().to_owned().into_bytes().into()),
        Kind::Uint32 => Value::U32(field.number()),
        Kind::Uint64 => Value::U64(field.number().into()),
        Kind::Int32 => Value::I32(7),
        Kind::Int64 => Value::I64(7),
        other => panic!("{}: no sample of {other:?} yet", field.full_name()),
    };
    if field.is_list() { Value::List(vec![one]) } else { one }
}

fn samples(pool: &DescriptorPool) -> impl Iterator<Item = DynamicMessage> {
    let alternatives = |message: &MessageDescriptor| message.oneofs().map(|oneof| oneof.fields().len()).max();
    ours(pool).flat_map(move |message| {
        let count = alternatives(&message).unwrap_or(1);
        (0..count).map(move |alternative| filled(&message, alternative))
    })
}

#[test]
fn what_was_there_stays_as_it_was() {
    if std::env::var_os("BLESS").is_some() {
        for file in FILES {
            std::fs::copy(present().join(FOLDER).join(file), previous().join(FOLDER).join(file)).unwrap();
        }
    }
    let breaks = breaks(&pool(&previous()), &pool(&present()));
    assert!(breaks.is_empty(), "replicas of two releases could not talk:\n{}", breaks.join("\n"));
}

#[test]
fn what_the_previous_form_says_is_understood_in_full() {
    let (old, new) = (pool(&previous()), pool(&present()));
    for said in samples(&old) {
        let message = new.get_message_by_name(said.descriptor().full_name()).unwrap();
        let heard = DynamicMessage::decode(message, said.encode_to_vec().as_slice()).unwrap();
        assert_eq!(heard.unknown_fields().count(), 0, "{said}");
        let back = DynamicMessage::decode(said.descriptor(), heard.encode_to_vec().as_slice());
        assert_eq!(back.unwrap(), said);
    }
}

#[test]
fn what_the_present_form_says_is_understood_as_far_as_it_was_known() {
    let (old, new) = (pool(&previous()), pool(&present()));
    for said in samples(&new) {
        let Some(message) = old.get_message_by_name(said.descriptor().full_name()) else { continue };
        let heard = DynamicMessage::decode(message.clone(), said.encode_to_vec().as_slice()).unwrap();
        for field in message.fields().filter(|field| said.has_field_by_number(field.number())) {
            assert!(heard.has_field(&field), "{} of {said}", field.full_name());
        }
    }
}

#[test]
fn breaking_changes_are_noticed() {
    let changed = |from: &str, to: &str| {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(FOLDER)).unwrap();
        for file in FILES {
            let text = std::fs::read_to_string(previous().join(FOLDER).join(file)).unwrap();
            std::fs::write(root.path().join(FOLDER).join(file), text.replace(from, to)).unwrap();
        }
        breaks(&pool(&previous()), &pool(root.path()))
    };
    assert_eq!(changed("", ""), Vec::<String>::new());
    assert!(changed("string seen = 4;", "string seen = 5;")[0].contains("silverback.v1.Cursor.seen"));
    assert!(changed("string seen = 4;", "bytes seen = 4;")[0].contains("bytes"));
    assert_eq!(changed("string seen = 4;", "reserved 4;"), Vec::<String>::new());
    assert!(changed("VIEW_DELTA = 2", "VIEW_DELTA = 4")[0].contains("VIEW_DELTA"));
    assert!(changed("rpc GetLeader(GetLeaderRequest)", "rpc GetLeader(ListGatewaysRequest)")[0].contains("GetLeader"));
}
