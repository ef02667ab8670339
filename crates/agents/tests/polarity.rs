//! Which way texts and ratings point.

use agents::polarity::{Polarity, of_rating, of_text};

#[test]
fn words_point_and_are_turned() {
    for (text, way) in [
        ("The user loved it; a great film.", Polarity::Up),
        ("They did not like it.", Polarity::Down),
        ("She didn't enjoy the slow story", Polarity::Down),
        ("It isn't bad.", Polarity::Up),
        ("The user liked it less than most.", Polarity::Down),
        ("The user liked it more than most.", Polarity::Up),
        ("The user rates it well below their habit.", Polarity::Down),
        ("It was released in 1995.", Polarity::Level),
        ("", Polarity::Level),
    ] {
        assert_eq!(of_text(text), way, "{text}");
    }
}

#[test]
fn a_rating_points_by_an_eighth_of_the_scale() {
    assert_eq!(of_rating(5.0, 3.5, (1.0, 5.0)), Polarity::Up);
    assert_eq!(of_rating(3.0, 3.5, (1.0, 5.0)), Polarity::Down);
    assert_eq!(of_rating(3.9, 3.5, (1.0, 5.0)), Polarity::Level);
    assert_eq!(of_rating(4.0, 4.5, (0.0, 10.0)), Polarity::Level);
}
