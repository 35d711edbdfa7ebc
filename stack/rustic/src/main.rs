//! rustic as Buckets uses it: the published program's own commands, on libraries that are changed as `changes/` says.

use std::alloc::{GlobalAlloc, Layout, System};

use rustic_rs::application::RUSTIC_APP;

/// A password is tried by filling 128 MiB. Where the kernel takes advice, that memory comes in pages of 2 MiB: in pages
/// of 4 KiB, to get it takes a fifth of the time of a backup that finds no change.
struct HugePages;

impl HugePages {
    /// No other allocation is as large.
    const FROM: usize = 64 << 20;
}

// SAFETY: all memory is the system's, given back as it was got; advice changes nothing of what is in it.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let memory = unsafe { System.alloc_zeroed(layout) };
        #[cfg(target_os = "linux")]
        if layout.size() >= Self::FROM && !memory.is_null() {
            let page = 4096;
            let within = memory.align_offset(page);
            let length = (layout.size() - within) & !(page - 1);
            unsafe { libc::madvise(memory.add(within).cast(), length, libc::MADV_HUGEPAGE) };
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody has chosen another one before");
    abscissa_core::boot(&RUSTIC_APP);
}
