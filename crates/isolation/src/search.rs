//! What to offer the gateways next, so that all that is good reaches them and what they refuse is found.
//!
//! An entity that a refusal names is left out at once. Where none is named, the same is offered once more in the form in
//! which Kong tells of other faults; then the changes on top of what was accepted last are halved until one is left.
//! What is accepted on the way stays; what comes meanwhile goes first, and only what is under suspicion waits.
//!
//! Posts, the one that was refused and the one that brings the rest among them: two where entities are named at once,
//! however many; three where they are named in the other form. Among `n` changes each one that is named in neither
//! costs at most 2 + ⌈log2 n⌉ (what was refused, the question, the halvings), and all together one that brings the rest.
//! Fewer do not suffice: a post is answered by yes or no, and the last one must hold all that is good.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use silverback_kong::{Rendered, tags};
use silverback_model::{Digest, ObjectKey, ObjectRef, Provenance};

use crate::config::{Config, Piece};
use crate::feedback::Quarantined;
use crate::jury::Verdict;
use crate::leave_out::{Bound, by_piece, hold_back, leave_out};
use crate::part::{Part, PartId, changes, parts, still_there};
use crate::refusal::{Culprit, Refusal, culprits};

/// What the gateways shall have next.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The configuration.
    pub config: Arc<Config>,
    /// Whether faults are to be told by entity.
    pub flatten: bool,
    purpose: Purpose,
    /// What was wanted when it was made.
    wanted: Arc<Config>,
}

impl Offer {
    /// What was wanted when it was made.
    pub fn wanted(&self) -> &Arc<Config> {
        &self.wanted
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// All that is wanted, but for the quarantine.
    Whole,
    /// The same, to be told of it in the other form.
    Ask,
    /// What is not under suspicion.
    Rest,
    /// What was accepted, with this many of the suspects.
    Probe(usize),
}

/// The search, and what it found.
#[derive(Debug)]
pub struct Search {
    wanted: Arc<Config>,
    bound: Bound,
    quarantine: Vec<Quarantined>,
    accepted: Option<Arc<Config>>,
    /// Changes on top of what was accepted; in an order in which what is referred to comes first.
    suspects: Vec<Part>,
    /// One of that many first suspects is refused.
    window: usize,
    /// Whether that is certain: some may have gone since it was seen.
    certain: bool,
    /// What was wanted when the suspects were last tried.
    ground: Arc<Config>,
    /// The words of the last refusal.
    words: String,
    offer: Offer,
    /// Renderings that a gateway was seen to take after all.
    disputed: BTreeSet<Digest>,
    /// What the last refusal led to, and of what.
    judged: Option<(Arc<Config>, Vec<Digest>)>,
    /// Why nothing can be found.
    stuck: Option<String>,
}

impl Search {
    /// Nothing is wanted yet. `quarantine` is what another replica, or an earlier run, found.
    pub fn new(quarantine: Vec<Quarantined>) -> Self {
        let nothing = Arc::new(Config::new());
        let offer = Offer { config: nothing.clone(), flatten: true, purpose: Purpose::Whole, wanted: nothing.clone() };
        Self {
            wanted: nothing.clone(),
            bound: Bound::default(),
            quarantine,
            accepted: None,
            suspects: Vec::new(),
            window: 0,
            certain: false,
            ground: nothing,
            words: String::new(),
            offer,
            disputed: BTreeSet::new(),
            judged: None,
            stuck: None,
        }
    }

    /// What the gateways shall have now.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What is left out.
    pub fn quarantine(&self) -> &[Quarantined] {
        &self.quarantine
    }

    /// How many changes wait because one of them is refused.
    pub fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// Why what is refused cannot be found.
    pub fn stuck(&self) -> Option<&str> {
        self.stuck.as_deref()
    }

    /// What gateways accepted last.
    pub fn accepted(&self) -> Option<&Arc<Config>> {
        self.accepted.as_ref()
    }

    /// What gateways are known to have accepted in an earlier run; what is known better already stays.
    pub fn recall(&mut self, accepted: Arc<Config>) {
        self.accepted.get_or_insert(accepted);
        if self.stuck.take().is_some() {
            self.go_on(false);
        }
    }

    /// Gateways were seen to have taken what was offered before the present offer.
    pub fn took(&mut self, earlier: &Arc<Config>) {
        if self.suspects.is_empty() && self.offer.purpose == Purpose::Whole {
            self.accepted = Some(earlier.clone());
        }
    }

    /// Whether what a refused plugin was bound to goes on without it, from the next offer on; it is closed unless told.
    pub fn fail_open(&mut self, open: bool) {
        self.bound = if open { Bound::StaysOpen } else { Bound::Closes };
    }

    /// Something else is wanted. While `settling`, because a gateway refused something a moment ago, and while something
    /// is searched, the verdict on the present offer is awaited first.
    pub fn want(&mut self, wanted: Arc<Config>, settling: bool) {
        self.wanted = wanted;
        let stuck = self.stuck.take().is_some();
        let searches = self.offer.purpose != Purpose::Whole;
        if stuck || !(settling || searches) {
            self.go_on(false);
        }
    }

    /// Somebody else offers from now on: what is searched here is given up, and the present offer is the whole of what is
    /// wanted.
    pub fn stand_by(&mut self) {
        self.suspects.clear();
        let whole = self.offer.purpose == Purpose::Whole && Arc::ptr_eq(&self.offer.wanted, &self.wanted);
        if !whole || self.stuck.take().is_some() {
            self.go_on(false);
        }
    }

    /// Takes over what another replica found.
    pub fn adopt(&mut self, quarantine: Vec<Quarantined>) {
        if self.quarantine != quarantine {
            self.quarantine = quarantine;
            self.suspects.clear();
            self.go_on(false);
        }
    }

    /// These kinds of gateways answer. What was refused by others alone is offered again.
    pub fn answering(&mut self, kinds: &BTreeSet<Digest>) {
        let before = self.quarantine.len();
        self.quarantine.retain(|entry| kinds.is_subset(&entry.refused_by));
        if self.quarantine.len() != before {
            self.disputed.clear();
            self.go_on(false);
        }
    }

    /// A gateway took, late, what the others had refused: it was not refused by all.
    pub fn taken_late(&mut self, config: &Arc<Config>) {
        if self.judged.as_ref().is_some_and(|(judged, _)| Arc::ptr_eq(judged, config))
            && let Some((_, renderings)) = self.judged.take()
        {
            self.disputed.extend(renderings.iter().copied());
            self.quarantine.retain(|entry| !renderings.contains(&entry.rendering));
            self.suspects.clear();
            self.go_on(false);
        }
    }

    /// The gateways' verdict on the present offer. `kinds` are those that judged; `empty`: none of them has any
    /// configuration, so that nothing is lost by building one up from nothing.
    pub fn judge(&mut self, verdict: &Verdict, kinds: &BTreeSet<Digest>, empty: bool, now: Timestamp) {
        match verdict {
            Verdict::Taken => self.taken(kinds, now),
            Verdict::Refused(refusal) => self.refused(refusal, kinds, empty, now),
        }
    }

    fn taken(&mut self, kinds: &BTreeSet<Digest>, now: Timestamp) {
        self.accepted = Some(self.offer.config.clone());
        self.stuck = None;
        match self.offer.purpose {
            Purpose::Whole if Arc::ptr_eq(&self.offer.wanted, &self.wanted) => return,
            Purpose::Whole | Purpose::Ask => self.suspects.clear(),
            Purpose::Rest => self.ground = self.offer.wanted.clone(),
            Purpose::Probe(good) => {
                self.suspects.drain(..good.min(self.suspects.len()));
                self.window = self.window.saturating_sub(good);
                if self.window == 0 {
                    self.suspects.clear();
                }
                if self.certain && self.window == 1 {
                    return self.convict(kinds, now);
                }
            }
        }
        self.go_on(self.offer.purpose == Purpose::Rest);
    }

    fn refused(&mut self, refusal: &Refusal, kinds: &BTreeSet<Digest>, empty: bool, now: Timestamp) {
        let mut found = culprits(refusal, &self.offer.config);
        let named = found.len();
        found.retain(|(part, _)| !self.disputed.contains(&part.rendering));
        if named > 0 && found.is_empty() {
            return; // There is a gateway that takes it: this is the others' own trouble.
        }
        let wanted = still_there(found.iter().map(|(part, _)| part.clone()).collect(), &self.offer.wanted);
        found.retain(|(part, _)| wanted.contains(part));
        if !found.is_empty() {
            self.suspects.clear();
            return self.leave_out(found, kinds, now);
        }
        self.words.clone_from(&refusal.words);
        match self.offer.purpose {
            Purpose::Whole => return self.put(Purpose::Ask, self.offer.wanted.clone()),
            Purpose::Ask | Purpose::Rest => {
                let nothing = empty.then(|| Arc::new(Config::new()));
                let Some(base) = self.accepted.clone().or(nothing) else {
                    return self.give_up("what the gateways accepted before is not known");
                };
                self.ground = self.offer.wanted.clone();
                self.suspects = changes(&leave_out(&self.ground, &self.left_out(), self.bound).config, &base);
                self.window = self.suspects.len();
                self.accepted = Some(base);
            }
            Purpose::Probe(bad) => self.window = bad.min(self.suspects.len()),
        }
        self.certain = true;
        match self.window {
            0 => self.give_up("nothing was added since they accepted all"),
            1 => self.convict(kinds, now),
            _ => self.go_on(self.offer.purpose == Purpose::Rest),
        }
    }

    fn give_up(&mut self, why: &str) {
        self.stuck = Some(format!("{}: it names no entity, and {why}; the gateways keep what they have", self.words));
        if !Arc::ptr_eq(&self.offer.wanted, &self.wanted) {
            self.go_on(false);
        }
    }

    /// The first suspect is it.
    fn convict(&mut self, kinds: &BTreeSet<Digest>, now: Timestamp) {
        let found = self.suspects.drain(..).take(1).map(|part| (part, self.words.clone())).collect();
        self.leave_out(found, kinds, now);
    }

    /// Makes the next offer. What came meanwhile has its turn, unless it has just had it.
    fn go_on(&mut self, had_its_turn: bool) {
        let others = self.suspects.split_off(self.window.min(self.suspects.len()));
        let within = std::mem::take(&mut self.suspects);
        self.suspects = still_there(within, &self.wanted);
        self.certain &= self.suspects.len() == self.window;
        self.window = self.suspects.len();
        if self.window > 0 {
            self.suspects.extend(still_there(others, &self.wanted));
        }
        match self.window {
            0 => self.put(Purpose::Whole, self.wanted.clone()),
            _ if !had_its_turn && !Arc::ptr_eq(&self.ground, &self.wanted) => {
                self.put(Purpose::Rest, self.wanted.clone());
            }
            window => self.put(Purpose::Probe(window.div_ceil(2)), self.ground.clone()),
        }
    }

    fn put(&mut self, purpose: Purpose, wanted: Arc<Config>) {
        let mut config = wanted.clone();
        if !self.quarantine.is_empty() {
            let rest = leave_out(&wanted, &self.left_out(), self.bound);
            if Arc::ptr_eq(&wanted, &self.wanted) && !wanted.is_empty() {
                // What concerns nothing that is wanted any more has ended.
                self.quarantine.retain(|entry| rest.found.iter().any(|part| part.rendering == entry.rendering));
            }
            for entry in &mut self.quarantine {
                entry.closed = rest.closed.contains(&entry.within);
            }
            config = Arc::new(rest.config);
        }
        let held = match purpose {
            Purpose::Whole | Purpose::Ask => &[],
            Purpose::Rest => self.suspects.as_slice(),
            Purpose::Probe(tried) => self.suspects.get(tried..).unwrap_or_default(),
        };
        if let Some(base) = self.accepted.as_ref().filter(|_| !held.is_empty()) {
            config = Arc::new(hold_back(&config, &by_piece(held.iter().cloned()), base, self.bound));
        }
        self.offer = Offer { config, flatten: purpose != Purpose::Ask, purpose, wanted };
    }

    fn leave_out(&mut self, found: Vec<Culprit>, kinds: &BTreeSet<Digest>, now: Timestamp) {
        self.judged = Some((self.offer.config.clone(), found.iter().map(|(part, _)| part.rendering).collect()));
        for (part, words) in found {
            let objects = makers(&part, &self.offer.config);
            let PartId { within, kind, name } = part.id;
            self.quarantine.push(Quarantined {
                within,
                kind,
                name,
                objects,
                reason: words,
                since: now,
                closed: false,
                rendering: part.rendering,
                refused_by: kinds.clone(),
            });
        }
        self.quarantine.sort();
        self.go_on(false);
    }

    fn left_out(&self) -> crate::leave_out::LeftOut {
        by_piece(self.quarantine.iter().map(part_of))
    }
}

fn part_of(entry: &Quarantined) -> Part {
    let id = PartId { within: entry.within.clone(), kind: entry.kind.clone(), name: entry.name.clone() };
    Part { id, rendering: entry.rendering }
}

/// Whether a quarantined entity is within a piece that is rendered so and made from `sources`.
pub fn is_rendered_so(entry: &Quarantined, piece: &Rendered, sources: &[Provenance]) -> bool {
    let piece = Piece::new(piece.clone(), sources.to_vec());
    let is = |part: &Part| (&part.id.kind, part.rendering) == (&entry.kind, entry.rendering);
    parts(&entry.within, &piece).iter().any(|(part, _)| is(part))
}

/// The objects an entity was made from: those that its tags name among the sources of its piece, or all of these.
fn makers(part: &Part, config: &Config) -> Vec<ObjectRef> {
    let Some(piece) = config.get(&part.id.within) else { return Vec::new() };
    let sources: BTreeSet<ObjectRef> = piece.sources.iter().map(|source| source.object).collect();
    let all = parts(&part.id.within, piece);
    let value = all.iter().find(|(it, _)| it == part).map(|(_, value)| value);
    let tags = value.and_then(|value| value.get("tags")?.as_array());
    let tags: Vec<&str> = tags.into_iter().flatten().filter_map(|tag| tag.as_str()).collect();
    let named = tags::read(tags).map(|origin| {
        let kind = match origin.group {
            "" | "core" => origin.kind.to_owned(),
            group => format!("{}.{group}", origin.kind),
        };
        ObjectRef::new(kind, ObjectKey::new(origin.namespace, origin.name))
    });
    match named.filter(|named| sources.contains(named)) {
        // What a plugin is bound to is not what is wrong with it; a Secret that it reads may be.
        Some(named) => {
            let secrets = sources.iter().filter(|it| it.kind == "Secret" && part.id.kind != "route").cloned();
            let mut objects: BTreeSet<ObjectRef> = secrets.collect();
            objects.insert(named);
            objects.into_iter().collect()
        }
        None => sources.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
