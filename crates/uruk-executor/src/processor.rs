//! What the processor can do beyond what all of its architecture can: compilers elsewhere ask for it.

#[cfg(not(target_arch = "riscv64"))]
macro_rules! detected {
    ($detect:ident, $($feature:tt)*) => {
        [$(($feature, std::arch::$detect!($feature))),*]
    };
}

/// The names of the features that compilers make use of, as the standard library has them.
pub fn features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    #[rustfmt::skip]
    let known = detected!(is_x86_feature_detected,
        "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "bmi1" "bmi2" "lzcnt" "cmpxchg16b" "movbe" "f16c" "aes"
        "pclmulqdq" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vbmi" "avx512bitalg");
    #[cfg(target_arch = "aarch64")]
    let known = detected!(is_aarch64_feature_detected, "lse" "fp16" "dotprod" "i8mm" "paca" "crc" "aes" "sha2" "rcpc");
    // The standard library's way is not stable. The kernel has a bit for each extension of one letter.
    #[cfg(target_arch = "riscv64")]
    let known = {
        // SAFETY: reads what the kernel told the process when it began.
        let bits = unsafe { libc::getauxval(libc::AT_HWCAP) };
        ["m", "a", "f", "d", "c", "v"].map(|name| (name, bits >> (name.as_bytes()[0] - b'a') & 1 != 0))
    };
    known.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).into()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_every_machine_of_tests_can_is_found() {
        let always = match std::env::consts::ARCH {
            "x86_64" => "sse3",
            "aarch64" => "fp16",
            _ => "d",
        };
        assert!(super::features().iter().any(|feature| feature == always), "{:?}", super::features());
    }
}
