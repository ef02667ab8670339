//! Compiles the generated parser.

fn main() {
    println!("cargo:rerun-if-changed=grammar");
    cc::Build::new()
        .std("c11")
        .include("grammar")
        .flag_if_supported("-Wno-unused")
        .file("grammar/parser.c")
        .file("grammar/scanner.c")
        .compile("bfcl-javascript-grammar");
}
