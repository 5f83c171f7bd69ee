//! Tokens of several rounds.

use serde_json::{Map, Number, Value};

/// Adds all figures of `more` to those of `total`, in objects within them too. What is not a figure is taken over.
pub(super) fn add(total: &mut Value, more: &Value) {
    match (&mut *total, more) {
        (_, Value::Null) => {}
        (Value::Object(known), Value::Object(more)) => members(known, more),
        (Value::Number(known), Value::Number(more)) => *known = sum(known, more),
        (known, more) => *known = more.clone(),
    }
}

fn members(total: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match total.get_mut(key) {
            Some(known) => add(known, value),
            None => drop(total.insert(key.clone(), value.clone())),
        }
    }
}

fn sum(a: &Number, b: &Number) -> Number {
    let whole = a.as_u64().zip(b.as_u64()).and_then(|(a, b)| a.checked_add(b)).map(Number::from);
    let float = || a.as_f64().zip(b.as_f64()).and_then(|(a, b)| Number::from_f64(a + b));
    whole.or_else(float).unwrap_or_else(|| b.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_figures_are_added_up() {
        let mut total = Value::default();
        for more in [
            json!({"prompt_tokens": 10, "cost": 0.25, "details": {"cached": 4, "audio": null}, "tier": "a"}),
            json!({"prompt_tokens": 5, "cost": 0.5, "details": null, "tier": "b"}),
            json!({"prompt_tokens": 1, "details": {"cached": 1, "audio": 2}, "new": {"x": 1}}),
        ] {
            add(&mut total, &more);
        }
        let expected = json!({"prompt_tokens": 16, "cost": 0.75, "details": {"cached": 5, "audio": 2}, "tier": "b", "new": {"x": 1}});
        assert_eq!(total, expected);
    }
}
