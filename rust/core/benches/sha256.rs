//! SHA-256 on one core: the ceiling of one stream beside lanes and the pool.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kitfast_core::Result;
use kitfast_core::digest::buffer::Buffer;
use kitfast_core::digest::feed::{Feed, Filled};
use kitfast_core::digest::lanes::{LANES, Lane, advance};
use kitfast_core::digest::pool::Pool;
use kitfast_core::digest::sha256::Hasher;

/// What a thread of the pool hashes at a time: warm in the second-level cache.
const BUFFER: usize = 256 << 10;

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernel");
    let blocks: Vec<[u8; 64]> = vec![[0x5a; 64]; BUFFER / 64];
    let buffers = vec![blocks; LANES];
    group.throughput(Throughput::Bytes(BUFFER as u64));
    group.bench_function("one stream", |bencher| {
        let mut hasher = Hasher::new();
        bencher.iter(|| hasher.update(black_box(buffers[0].as_flattened())));
    });
    for lanes in 2..=LANES {
        group.throughput(Throughput::Bytes((lanes * BUFFER) as u64));
        group.bench_function(BenchmarkId::new("lanes", lanes), |bencher| {
            let mut words = [[0x5a_u32; 8]; LANES];
            bencher.iter(|| {
                let mut lanes: Vec<_> = words
                    .iter_mut()
                    .zip(black_box(&buffers))
                    .take(lanes)
                    .map(|(words, blocks)| Lane { words, blocks })
                    .collect();
                advance(&mut lanes)
            });
        });
    }
    group.finish();
}

/// Copies its bytes from memory, `work` times over to stand for what else a fill does.
struct Memory {
    bytes: Arc<[u8]>,
    left: usize,
    work: usize,
    done: Sender<Result<[u8; 32]>>,
}

impl Feed for Memory {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.left == 0 {
            return Ok(Filled::End);
        }
        self.left -= 1;
        let count = self.bytes.len().min(buffer.len());
        for _ in 0..self.work {
            black_box(&mut *buffer)[..count].copy_from_slice(&self.bytes[..count]);
        }
        Ok(Filled::Bytes(count))
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        // The bench waits for every outcome; should it be gone, nobody minds.
        let _gone = self.done.send(outcome);
    }
}

/// Hashes `feeds` feeds of 16 MiB each, and waits for all.
fn through(pool: &Pool, bytes: &Arc<[u8]>, feeds: usize, work: usize) {
    let (done, outcomes) = mpsc::channel();
    for _ in 0..feeds {
        pool.submit(Box::new(Memory {
            bytes: bytes.clone(),
            left: 64,
            work,
            done: done.clone(),
        }));
    }
    drop(done);
    assert_eq!(outcomes.iter().filter(Result::is_ok).count(), feeds);
}

fn pools(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool");
    group.sample_size(15);
    let bytes: Arc<[u8]> = vec![0x5a; BUFFER].into();
    let pools = [1, 2].map(|threads| (threads, Pool::with_threads(threads)));
    for (threads, pool) in &pools {
        for feeds in [1, 2, 4, 8, 9] {
            group.throughput(Throughput::Bytes((feeds * 64 * BUFFER) as u64));
            let name = format!("{threads} threads, feeds");
            group.bench_function(BenchmarkId::new(name, feeds), |bencher| {
                bencher.iter(|| through(pool, &bytes, feeds, 1));
            });
        }
        group.throughput(Throughput::Bytes((64 * BUFFER) as u64));
        group.bench_function(
            format!("{threads} threads, a feed as slow as its hash"),
            |bencher| {
                bencher.iter(|| through(pool, &bytes, 1, 16));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, kernels, pools);
criterion_main!(benches);
