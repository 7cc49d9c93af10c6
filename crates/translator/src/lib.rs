//! silverback-translator
