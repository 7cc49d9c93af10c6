//! Consumers and their credentials.

use super::super::schema::check::{Check, Match};
use super::super::schema::custom::Custom;
use super::super::schema::rule::Rule;
use super::super::schema::{Field, Record, Schema};
use super::{custom, id, names, seconds, tags};

pub(super) fn consumers() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("username", Field::string().unique()),
        ("custom_id", Field::string().unique()),
        ("tags", tags()),
    ])
    .check(Check::AtLeastOneOf(names(["custom_id", "username"])));
    Schema::new("consumers", record).endpoint_key("username")
}

/// The kinds that belong to a consumer, in the order in which Kong tells their errors.
pub(super) fn credentials() -> Vec<Schema> {
    vec![basic_auth(), hmac_auth(), jwt(), key_auth(), acls(), oauth2()]
}

/// The fields of all credentials, and some of its own.
fn credential<const N: usize>(own: [(&str, Field); N]) -> Record {
    let mut record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("consumer", Field::foreign("consumers").required()),
        ("tags", tags()),
    ]);
    record.fields.extend(own.into_iter().map(|(name, field)| (name.to_owned(), field)));
    record
}

fn key_auth() -> Schema {
    let record = credential([("key", Field::string().unique().auto())]);
    let schema = Schema::new("keyauth_credentials", record)
        .endpoint_key("key")
        .cache_key(&["key"])
        .admin_names("key-auths", "key-auth");
    Schema { ttl: true, ..schema }
}

fn basic_auth() -> Schema {
    let record =
        credential([("username", Field::string().required().unique()), ("password", Field::string().required())])
            // The password is hashed with the consumer's id.
            .check(Check::Custom(&["password"], |credential| {
                let has_consumer = credential.get("consumer").is_some_and(|consumer| consumer.get("id").is_some());
                if has_consumer {
                    return Ok(());
                }
                Err("all or none of these fields must be set: 'password', 'consumer.id'".to_owned())
            }));
    Schema::new("basicauth_credentials", record)
        .endpoint_key("username")
        .cache_key(&["username"])
        .admin_names("basic-auths", "basic-auth")
}

fn hmac_auth() -> Schema {
    let record = credential([("username", Field::string().required().unique()), ("secret", Field::string().auto())]);
    Schema::new("hmacauth_credentials", record)
        .endpoint_key("username")
        .cache_key(&["username"])
        .admin_names("hmac-auths", "hmac-auth")
}

fn jwt() -> Schema {
    let algorithms = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
        "EdDSA",
    ];
    let with_public_key = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];
    let key = Match { required: true, ..Match::rule(Rule::Custom(Custom::JwtKey)) };
    let record = credential([
        ("key", Field::string().unique().auto()),
        ("secret", Field::string().auto()),
        ("rsa_public_key", Field::string()),
        ("algorithm", Field::string().default("HS256").one_of(algorithms)),
    ])
    .check(Check::when("algorithm", Match::is(with_public_key), "rsa_public_key", key));
    Schema::new("jwt_secrets", record).endpoint_key("key").cache_key(&["key"]).admin_names("jwts", "jwt")
}

fn acls() -> Schema {
    let record = credential([("group", Field::string().required())]);
    Schema::new("acls", record).cache_key(&["consumer", "group"])
}

fn oauth2() -> Schema {
    let record = credential([
        ("name", Field::string().required()),
        ("client_id", Field::string().unique().auto()),
        ("client_secret", Field::string().auto()),
        ("hash_secret", Field::boolean().required().default(false)),
        ("redirect_uris", Field::array(custom(Custom::Url))),
        ("client_type", Field::string().required().default("confidential").one_of(["confidential", "public"])),
    ]);
    Schema::new("oauth2_credentials", record)
        .endpoint_key("client_id")
        .cache_key(&["client_id"])
        .admin_names("oauth2", "oauth2")
}
