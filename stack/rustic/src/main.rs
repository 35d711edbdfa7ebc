//! rustic as Buckets uses it: the published program's own commands, on libraries that are changed as `changes/` says.

use rustic_rs::application::RUSTIC_APP;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody has chosen another one before");
    abscissa_core::boot(&RUSTIC_APP);
}
