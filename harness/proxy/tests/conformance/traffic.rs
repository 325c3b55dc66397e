//! What toxics do to bytes is the same on both arms.
//!
//! Lower bounds are the toxic's own terms (a millisecond less, for clocks that round); upper bounds are generous, for
//! machines that are busy.

use crate::arm::Arm;
use crate::on_both_arms;
use crate::support::*;
use harness_proxy::Toxic;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both_arms!(
    bytes_pass_whole,
    latency_delays_one_direction_and_is_healed,
    jitter_stays_in_its_bounds,
    two_latencies_add_up,
    an_update_reaches_established_connections,
    bandwidth_limits_the_rate,
    bandwidth_zero_stalls_without_loss,
    slow_close_delays_the_end_alone,
    timeout_drops_bytes_then_ends,
    timeout_zero_drops_and_removing_it_ends,
    reset_peer_resets_new_connections,
    slicer_keeps_the_bytes_and_takes_its_time,
    limit_data_passes_exactly_so_many,
    toxicity_zero_is_nothing_one_is_all,
    disabled_refuses_and_cuts_enabled_serves_the_same_port,
    deleted_refuses,
    a_dead_upstream_is_accepted_then_closed,
    chains_keep_bytes_whole,
);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The most of what takes a moment, on a machine that is busy.
const GENEROUS: Duration = ms(5_000);

/// `took` is at least `low` and at most `high`.
#[track_caller]
fn within(took: Duration, low: Duration, high: Duration) {
    assert!(took + ms(1) >= low && took <= high, "{took:?} is not within {low:?} and {high:?}");
}

/// The fastest of a few round trips is so fast; none is faster.
async fn fastest_within(client: &mut TcpStream, low: Duration, high: Duration) {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        fastest = fastest.min(round_trip(client).await);
        if fastest <= high {
            break;
        }
    }
    within(fastest, low, high);
}

/// How long an echo takes.
async fn round_trip(client: &mut TcpStream) -> Duration {
    let start = now();
    assert_eq!(echo(client, b"round trip").await.unwrap(), b"round trip");
    start.elapsed()
}

async fn read_all(client: &mut TcpStream) -> (Vec<u8>, std::io::Result<()>) {
    let mut all = Vec::new();
    let end = soon(client.read_to_end(&mut all)).await.map(|_| ());
    (all, end)
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn bytes_pass_whole(arm: &Arm) {
    let bytes = pattern(1 << 20);
    let upstream = Upstream::sending(bytes.clone()).await;
    let mut client = connect(arm.edge(&upstream).await).await;
    let (got, end) = read_all(&mut client).await;
    assert!(got == bytes && end.is_ok());
}

async fn latency_delays_one_direction_and_is_healed(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    fastest_within(&mut client, ms(0), ms(100)).await;
    for toxic in [Toxic::latency(ms(120), ms(0)).upstream(), Toxic::latency(ms(120), ms(0)).downstream()] {
        arm.add(toxic.clone()).await;
        within(round_trip(&mut client).await, ms(120), GENEROUS);
        arm.remove(&toxic).await;
        fastest_within(&mut client, ms(0), ms(100)).await;
    }
}

async fn jitter_stays_in_its_bounds(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    arm.add(Toxic::latency(ms(60), ms(40)).downstream()).await;
    let mut seen = Vec::new();
    for _ in 0..15 {
        let took = round_trip(&mut client).await;
        within(took, ms(20), GENEROUS);
        seen.push(took);
    }
    let spread = seen.iter().max().unwrap().saturating_sub(*seen.iter().min().unwrap());
    // 15 draws from 80 values all within 8 of each other: less than one in 10^12.
    assert!(spread >= ms(8), "no jitter: {seen:?}");
}

async fn two_latencies_add_up(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    arm.add(Toxic::latency(ms(60), ms(0)).downstream().named("one")).await;
    arm.add(Toxic::latency(ms(60), ms(0)).downstream().named("two")).await;
    within(round_trip(&mut client).await, ms(120), GENEROUS);
}

async fn an_update_reaches_established_connections(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    arm.add(Toxic::latency(ms(20), ms(0)).downstream()).await;
    fastest_within(&mut client, ms(20), ms(180)).await;
    arm.client.update("edge", &Toxic::latency(ms(200), ms(0)).downstream()).await.unwrap();
    within(round_trip(&mut client).await, ms(200), GENEROUS);
}

async fn bandwidth_limits_the_rate(arm: &Arm) {
    let bytes = pattern(60_000);
    let upstream = Upstream::sending(bytes.clone()).await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::bandwidth(100).downstream()).await;
    let start = now();
    let mut client = connect(edge).await;
    let (got, end) = read_all(&mut client).await;
    assert!(got == bytes && end.is_ok());
    // 60 kB at 100 kB/s.
    within(start.elapsed(), ms(595), GENEROUS);
}

async fn bandwidth_zero_stalls_without_loss(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    round_trip(&mut client).await;
    let stall = Toxic::bandwidth(0).upstream();
    arm.add(stall.clone()).await;
    client.write_all(b"held").await.unwrap();
    assert_silent(&mut client).await;
    arm.remove(&stall).await;
    let mut back = [0; 4];
    soon(client.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"held");
}

async fn slow_close_delays_the_end_alone(arm: &Arm) {
    let upstream = Upstream::sending(b"bytes at once".to_vec()).await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::slow_close(ms(3_000)).downstream()).await;
    let start = now();
    let mut client = connect(edge).await;
    let mut got = [0; 13];
    soon(client.read_exact(&mut got)).await.unwrap();
    within(start.elapsed(), ms(0), ms(2_990));
    assert_fin(&mut client).await;
    within(start.elapsed(), ms(3_000), ms(3_000) + GENEROUS);
}

async fn timeout_drops_bytes_then_ends(arm: &Arm) {
    let upstream = Upstream::sending(b"never seen".to_vec()).await;
    let upstream_open = Upstream::echo().await;
    drop(upstream);
    let edge = arm.edge(&upstream_open).await;
    arm.add(Toxic::timeout(ms(150)).downstream()).await;
    let start = now();
    let mut client = connect(edge).await;
    client.write_all(b"echo is dropped").await.unwrap();
    let (got, _) = read_all(&mut client).await;
    assert_eq!(got, b"");
    within(start.elapsed(), ms(150), GENEROUS);
}

async fn timeout_zero_drops_and_removing_it_ends(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let mut client = connect(arm.edge(&upstream).await).await;
    round_trip(&mut client).await;
    let drops = Toxic::timeout(ms(0)).downstream();
    arm.add(drops.clone()).await;
    client.write_all(b"dropped").await.unwrap();
    assert_silent(&mut client).await;
    arm.remove(&drops).await;
    let (got, _) = read_all(&mut client).await;
    assert_eq!(got, b"", "what was dropped stays dropped");
}

async fn reset_peer_resets_new_connections(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::reset_peer(ms(100)).upstream()).await;
    let mut client = connect(edge).await;
    assert_silent(&mut client).await;
    let start = now();
    client.write_all(b"x").await.unwrap();
    assert_rst(&mut client).await;
    within(start.elapsed(), ms(100), GENEROUS);
}

async fn slicer_keeps_the_bytes_and_takes_its_time(arm: &Arm) {
    let bytes = pattern(2_000);
    let upstream = Upstream::sending(bytes.clone()).await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::slicer(100, 20, ms(10)).downstream()).await;
    let start = now();
    let mut client = connect(edge).await;
    let (got, end) = read_all(&mut client).await;
    assert!(got == bytes && end.is_ok());
    // Slices of at most 120 bytes: at least 17, so at least 16 pauses; of at least 40: at most 50.
    within(start.elapsed(), ms(160), GENEROUS);
}

async fn limit_data_passes_exactly_so_many(arm: &Arm) {
    let upstream = Upstream::sending(pattern(5_000)).await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::limit_data(1_234).downstream()).await;
    for _ in 0..3 {
        let (got, _) = read_all(&mut connect(edge).await).await;
        assert!(got == pattern(5_000)[..1_234], "{}", got.len());
    }
}

async fn toxicity_zero_is_nothing_one_is_all(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let edge = arm.edge(&upstream).await;
    arm.add(Toxic::latency(GENEROUS + ms(1), ms(0)).downstream().toxicity(0.0)).await;
    for _ in 0..5 {
        within(round_trip(&mut connect(edge).await).await, ms(0), GENEROUS);
    }
    arm.client.update("edge", &Toxic::latency(ms(120), ms(0)).downstream().toxicity(1.0)).await.unwrap();
    for _ in 0..5 {
        within(round_trip(&mut connect(edge).await).await, ms(120), GENEROUS);
    }
}

async fn disabled_refuses_and_cuts_enabled_serves_the_same_port(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let edge = arm.edge(&upstream).await;
    let mut standing = connect(edge).await;
    round_trip(&mut standing).await;
    arm.client.enable("edge", false).await.unwrap();
    assert_refused(edge).await;
    let (got, _) = read_all(&mut standing).await;
    assert_eq!(got, b"");
    arm.client.enable("edge", true).await.unwrap();
    round_trip(&mut connect(edge).await).await;
}

async fn deleted_refuses(arm: &Arm) {
    let upstream = Upstream::echo().await;
    let edge = arm.edge(&upstream).await;
    let mut standing = connect(edge).await;
    round_trip(&mut standing).await;
    arm.client.delete("edge").await.unwrap();
    assert_refused(edge).await;
    let (got, _) = read_all(&mut standing).await;
    assert_eq!(got, b"");
}

async fn a_dead_upstream_is_accepted_then_closed(arm: &Arm) {
    let mut client = connect(arm.edge_to(&NOBODY.to_string()).await).await;
    assert_fin(&mut client).await;
}

async fn chains_keep_bytes_whole(arm: &Arm) {
    let bytes = pattern(20_000);
    let upstream = Upstream::sending(bytes.clone()).await;
    let edge = arm.edge(&upstream).await;
    for toxic in [
        Toxic::latency(ms(10), ms(9)),
        Toxic::slicer(500, 200, Duration::ZERO),
        Toxic::bandwidth(200),
        Toxic::slow_close(ms(10)),
        Toxic::limit_data(1 << 20),
    ] {
        arm.add(toxic.downstream()).await;
    }
    let mut client = connect(edge).await;
    let (got, end) = read_all(&mut client).await;
    assert!(got == bytes && end.is_ok(), "{} {end:?}", got.len());
}
