//! Which of several processes may act: leader election over a Kubernetes Lease.
//!
//! [`machine`] holds the rules and is pure; [`driver`] feeds it from an API server; [`Permit`] is what the winner
//! asks before it acts. Knows nothing of gateways or configs: what a leader does is not its business.

mod clock;
pub mod driver;
mod leadership;
pub mod machine;
pub mod name;
mod record;
mod trouble;

pub use clock::Clock;
pub use driver::{Elector, Handle, Settings};
pub use leadership::{Leadership, Permit};
pub use name::{Identity, LeaseName, NameError, Naming};
pub use record::{PUSHED_ANNOTATION, Record};
pub use trouble::Trouble;
