//! silverback-watcher
