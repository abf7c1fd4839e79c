//! Comparison with the C library, which is what Redis reads and writes floating-point numbers with.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{LongDouble, format_f64_17g, parse_f64};

/// Answers each line of `kind left right` by one line. `l` adds two long doubles, `d` reads a double and shows its bits
/// and its 17 digits, and both answer `refused` where Redis would refuse to read the text.
const ORACLE: &str = r#"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *text, const char *end, int out_of_range, int not_a_number) {
    return *text == 0 || isspace((unsigned char)*text) || *end != 0 || not_a_number || out_of_range;
}

static int read_long(const char *text, long double *value) {
    char *end;
    errno = 0;
    *value = strtold(text, &end);
    return !bad(text, end, errno == ERANGE && (isinf(*value) || *value == 0), isnan(*value));
}

int main(void) {
    static char kind[8], left[8192], right[8192];
    while (scanf("%7s %8191s %8191s", kind, left, right) == 3) {
        if (kind[0] == 'l') {
            long double a, b;
            if (read_long(left, &a) && read_long(right, &b)) printf("%.17Lf\n", a + b);
            else printf("refused\n");
        } else {
            char *end;
            uint64_t bits;
            errno = 0;
            double value = strtod(left, &end);
            if (bad(left, end, errno == ERANGE && (isinf(value) || value == 0), isnan(value))) {
                printf("refused\n");
            } else {
                memcpy(&bits, &value, 8);
                printf("%016llx %.17g\n", (unsigned long long)bits, value);
            }
        }
    }
    return 0;
}
"#;

fn ask_oracle(questions: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, program) = (folder.path().join("oracle.c"), folder.path().join("oracle"));
    std::fs::write(&source, ORACLE).expect("the source is written");
    let compiled = Command::new("cc").arg("-o").arg(&program).arg(&source).status().expect("a C compiler");
    assert!(compiled.success());
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle");
    let mut stdin = child.stdin.take().expect("its input is piped");
    let input = questions.join("\n");
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()).expect("the oracle reads"));
    let output = child.wait_with_output().expect("the oracle answers");
    feeder.join().expect("the feeder ends");
    let answers: Vec<String> = String::from_utf8(output.stdout).expect("ASCII").lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

fn numbers() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![
        4 => (-25i32..25).boxed(),
        2 => (-340i32..340).boxed(),
        2 => (-5000i32..5000).boxed(),
        1 => (-4960i32..-4940).boxed(),
    ];
    prop_oneof![
        4 => "[-+]?[0-9]{1,6}\\.[0-9]{1,6}",
        2 => "[-+]?[0-9]{1,20}\\.[0-9]{1,20}",
        4 => ("[-+]?[1-9]\\.?[0-9]{0,25}", exponent).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")),
        1 => "[-+]?[0-9]{100,300}\\.[0-9]{100,1000}",
        2 => ("[-+]?0x[0-9a-f]{1,40}\\.[0-9a-f]{0,20}", -1300i32..1300).prop_map(|(digits, exponent)| format!("{digits}p{exponent}")),
        1 => ("-?0x[01]\\.[0-9a-f]{0,20}", -1090i32..-1060).prop_map(|(digits, exponent)| format!("{digits}p{exponent}")),
        1 => ("-?0x[01]\\.[0-9a-f]{0,20}", -16460i32..-16430).prop_map(|(digits, exponent)| format!("{digits}p{exponent}")),
        1 => any::<f64>().prop_map(|value| format!("{value:e}")),
        1 => any::<i64>().prop_map(|value| value.to_string()),
        1 => any::<i64>().prop_map(|value| format!("{}", value as f64 / 8.0)),
        1 => "[-+0-9.eExXpPinfaINF]{1,12}",
        1 => "[-+]?(inf|INFINITY|nan|iNf)",
    ]
}

fn sample(strategy: impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = TestRunner::default();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a sample").current()).collect()
}

#[test]
fn long_doubles_add_as_in_c() {
    let numbers = sample(numbers(), 40_000);
    let pairs: Vec<&[String]> = numbers.chunks_exact(2).collect();
    let questions: Vec<String> = pairs.iter().map(|pair| format!("l {} {}", pair[0], pair[1])).collect();
    for (question, answer) in questions.iter().zip(ask_oracle(&questions)) {
        let mut words = question.split(' ').skip(1).map(|word| LongDouble::parse(word.as_bytes()));
        let ours = match (words.next().flatten(), words.next().flatten()) {
            (Some(left), Some(right)) => (left + right).to_human_text(),
            _ => "refused".to_owned(),
        };
        let theirs = if answer.contains('.') { answer.trim_end_matches('0').trim_end_matches('.') } else { &answer };
        let theirs = theirs.replace("-nan", "nan");
        assert_eq!(ours, if theirs == "-0" { "0" } else { &theirs }, "{question}");
    }
}

#[test]
fn doubles_are_read_and_written_as_in_c() {
    let numbers = sample(numbers(), 40_000);
    let questions: Vec<String> = numbers.iter().map(|number| format!("d {number} -")).collect();
    for (number, answer) in numbers.iter().zip(ask_oracle(&questions)) {
        // The C library rounds some hexadecimal numbers below the normal range wrongly, as 0xafadd92.6cb8d8cp-1050, of
        // which three quarters of the last bit are cut off and should round it up (seen in glibc 2.36).
        let value = parse_f64(number.as_bytes());
        if value.is_some_and(f64::is_subnormal) && number.contains(['x', 'X']) {
            continue;
        }
        let ours = match value {
            Some(value) => format!("{:016x} {}", value.to_bits(), format_f64_17g(value)),
            None => "refused".to_owned(),
        };
        assert_eq!(ours, answer, "{number}");
    }
}
