//! silverback-translation
