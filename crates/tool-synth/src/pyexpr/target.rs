//! What a comprehension may assign to.

use super::Expr;

/// Whether a primary, a list or a tuple can stand between `for` and `in`.
pub(super) fn is_target(expression: &Expr) -> bool {
    match expression {
        Expr::Name(_) | Expr::Attribute { .. } | Expr::Subscript { .. } => true,
        Expr::List(items) | Expr::Tuple(items) => items.iter().all(|item| match item {
            Expr::Starred(inner) => is_target(inner),
            other => is_target(other),
        }),
        _ => false,
    }
}
