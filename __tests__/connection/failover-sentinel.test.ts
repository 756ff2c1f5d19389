/** A master that Sentinels replace under load. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched, type Watched } from "../support/connections.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type SentinelDeployment, startSentinel } from "../support/redis-sentinel.ts";
import { until } from "../support/redis-server.ts";
import { kitConnections, type Member, waitForCopies } from "../support/server-group.ts";

const PASSWORD = "s3cret";
const SENTINEL_PASSWORD = "sentinel-s3cret";

let deployment: SentinelDeployment;
let watched: Watched;
let load: Load;
beforeAll(async () => {
  deployment = await startSentinel({ password: PASSWORD, sentinelPassword: SENTINEL_PASSWORD });
}, 30_000);
beforeEach(async () => {
  await deployment.waitForReplicas();
  const master = await deployment.master();
  await master.client.flushall();
  // A replica that is promoted before it has heard of this would bring back what other tests counted.
  await waitForCopies(master, 1);
  watched = openWatched({
    redis: { url: deployment.url, sentinelPassword: SENTINEL_PASSWORD },
  });
  await watched.connection.ready();
  load = startLoad(watched.connection);
  await load.answered(20);
});
afterAll(() => deployment.stop());

/** Stops the load while everything that was answered reaches the replica, and strikes then. */
async function strikeInStep(node: Member, signal: NodeJS.Signals): Promise<void> {
  await load.pause();
  await waitForCopies(node, 1);
  await deployment.kill(node, signal);
  load.resume();
}

async function expectService(master: Member): Promise<void> {
  await load.answered(20);
  expect(await load.audit(() => master.client)).toEqual([]);
  expect(load.count("unexplained")).toBe(0);
  expect(watched.connection.state()).toMatchObject({ state: "ready", problem: undefined });
  await expectOneConnection(master);
}

/** One connection to the master, none to others, and none stays at a Sentinel. */
async function expectOneConnection(master: Member): Promise<void> {
  const all = [...deployment.nodes, ...deployment.sentinels].filter((node) =>
    deployment.isLive(node),
  );
  const wanted = all.map((node) => (node === master ? 1 : 0));
  let counts: number[] = [];
  await until(async () => {
    counts = await Promise.all(all.map(kitConnections));
    return counts.join() === wanted.join();
  }, "one connection to the master, and no other").catch(() => expect(counts).toEqual(wanted));
}

describe("a master that is lost", () => {
  it("by SIGKILL: its successor is found, nothing runs twice", async () => {
    const lost = await deployment.master();
    await strikeInStep(lost, "SIGKILL");
    await load.failed(1);
    const master = await deployment.promoted(lost);
    await expectService(master);
    await deployment.restart(lost);
    await deployment.waitForReplicas();
    await expectOneConnection(master);
  });

  it("by SIGSTOP: its successor is found, and what it thaws to changes nothing", async () => {
    const lost = await deployment.master();
    await strikeInStep(lost, "SIGSTOP");
    await load.failed(1);
    const master = await deployment.promoted(lost);
    await load.answered(20);
    await deployment.kill(lost, "SIGCONT");
    await deployment.waitForReplicas();
    await expectService(master);
  });

  it("by SIGKILL while the load goes on: what was not sent did not run, no answer is wrong", async () => {
    const lost = await deployment.master();
    await deployment.kill(lost, "SIGKILL");
    const master = await deployment.promoted(lost);
    await load.answered(20);
    // Redis itself may lose what it answered before its replica had it.
    const complaints = await load.audit(() => master.client);
    expect(complaints.filter((text) => !text.endsWith("answered, ran 0"))).toEqual([]);
    await expectOneConnection(master);
    await deployment.restart(lost);
  });
});

describe("a change that is planned", () => {
  it("SENTINEL FAILOVER while the load rests: nothing is lost, nothing runs twice", async () => {
    await load.pause();
    await waitForCopies(await deployment.master(), 1);
    const master = await deployment.failover();
    await deployment.waitForReplicas();
    load.resume();
    await expectService(master);
  });

  it("SENTINEL FAILOVER under load: what was not sent did not run, no answer is wrong", async () => {
    const master = await deployment.failover();
    await deployment.waitForReplicas();
    await load.answered(20);
    // Redis itself loses what the old master answered after the new one had taken over.
    const complaints = await load.audit(() => master.client);
    expect(complaints.filter((text) => !text.endsWith("answered, ran 0"))).toEqual([]);
    await expectOneConnection(master);
  });
});

describe("Sentinels that are lost", () => {
  it("one of three: the next one is asked", async () => {
    const [first] = deployment.sentinels;
    const master = await deployment.master();
    await deployment.kill(first!, "SIGKILL");
    await master.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await expectService(master);
    await deployment.restart(first!);
  });

  it("one that is frozen: the next one is asked", async () => {
    const [first] = deployment.sentinels;
    const master = await deployment.master();
    await deployment.kill(first!, "SIGSTOP");
    await master.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await load.answered(20);
    expect(await load.audit(() => master.client)).toEqual([]);
    await deployment.kill(first!, "SIGCONT");
  });

  it("all of them: the live connection goes on", async () => {
    const master = await deployment.master();
    for (const sentinel of deployment.sentinels) await deployment.kill(sentinel, "SIGSTOP");
    await load.answered(50);
    expect(await load.audit(() => master.client)).toEqual([]);
    expect(load.codes()).toEqual([]);
    for (const sentinel of deployment.sentinels) await deployment.kill(sentinel, "SIGCONT");
  });
});
