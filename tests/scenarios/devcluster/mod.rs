//! The development cluster, held against a real API server, against `kubectl`, and below the product.

mod ask;
mod cases;
mod kubectl;
mod product;
mod table;
