//! What scripts return, as replies.

use super::eval;
use crate::support::{Server, Value, err, simple};

#[test]
fn statuses_errors_and_formats_of_texts_end_at_their_first_zero() {
    let server = Server::start();
    let mut client = server.client();
    client.run("HELLO 3");
    assert_eq!(eval(&mut client, r"return {ok = 'fine\0hidden'}"), simple("fine"));
    assert_eq!(eval(&mut client, r"return {err = 'MINE a\nb\0hidden'}"), err("MINE a b"));
    let raised = eval(&mut client, r"error({err = 'MINE a\0hidden'})").text();
    assert!(raised.starts_with("MINE a script: ") && !raised.contains("hidden"), "{raised}");
    for (format, shown) in [("mkd", "mkd"), ("longer", "lon"), ("x", "x  "), ("", "   "), (r"a\0b", "a  ")] {
        let script = format!("return {{verbatim_string = {{format = '{format}', string = 'text'}}}}");
        let verbatim = format!("{shown}:text").into_bytes();
        assert_eq!(eval(&mut client, &script), Value::Verbatim(verbatim), "{format}");
    }
}
