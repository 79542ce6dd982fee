//! See the library.

fn main() -> std::process::ExitCode {
    quartermaster::main()
}
