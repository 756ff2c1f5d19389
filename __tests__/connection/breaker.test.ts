import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { createBreaker } from "../../src/connection/breaker.ts";
import { KitError } from "../../src/errors.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { count } from "../support/scripts.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const problem = new KitError("REDIS_UNAVAILABLE", { message: "Away.", fix: "Wait." });

/** A breaker whose probes a test answers by hand. */
function makeBreaker() {
  const seen: string[] = [];
  const probes: { answer(): void; fail(): void }[] = [];
  const breaker = createBreaker({
    probe: () =>
      new Promise<void>((resolve, reject) => {
        probes.push({ answer: resolve, fail: () => reject(problem) });
      }),
    onOpen: () => void seen.push("open"),
    onClose: () => void seen.push("close"),
  });
  const fail = (times: number) => {
    for (let n = 0; n < times; n++) breaker.failure(problem);
  };
  return { breaker, seen, probes, fail };
}

describe("a breaker", () => {
  it("opens after five failures in a row, and not before", () => {
    const { breaker, seen, fail } = makeBreaker();
    fail(4);
    expect(breaker.refusal()).toBeUndefined();
    breaker.success();
    fail(4);
    expect(breaker.refusal()).toBeUndefined();
    fail(1);
    expect(breaker.refusal()).toBe(problem);
    expect(seen).toEqual(["open"]);
    breaker.stop();
  });

  it("probes one at a time until one succeeds, then lets commands through", async () => {
    const { breaker, seen, probes } = makeBreaker();
    breaker.trip(problem);
    await until(() => probes.length === 1, "the first probe");
    probes[0]!.fail();
    await until(() => probes.length === 2, "the second probe");
    expect(breaker.refusal()).toBe(problem);
    probes[1]!.answer();
    await until(() => breaker.refusal() === undefined, "it closes");
    expect(seen).toEqual(["open", "close"]);
    breaker.stop();
  });

  it("half-open, opens again at the first failure; closed by a success, it does not", async () => {
    const { breaker, seen, probes, fail } = makeBreaker();
    breaker.trip(problem);
    await until(() => probes.length === 1, "the first probe");
    probes[0]!.answer();
    await until(() => breaker.refusal() === undefined, "half-open");
    fail(1);
    expect(breaker.refusal()).toBe(problem);
    await until(() => probes.length === 2, "the second probe");
    probes[1]!.answer();
    await until(() => breaker.refusal() === undefined, "half-open again");
    breaker.success();
    fail(4);
    expect(breaker.refusal()).toBeUndefined();
    expect(seen).toEqual(["open", "close", "open", "close"]);
    breaker.stop();
  });

  it("takes no notice of a probe that another proof has overtaken", async () => {
    const { breaker, seen, probes } = makeBreaker();
    breaker.trip(problem);
    await until(() => probes.length === 1, "a probe");
    breaker.reset();
    breaker.trip(problem);
    probes[0]!.answer();
    await until(() => probes.length === 2, "a probe of the second round");
    expect(breaker.refusal()).toBe(problem);
    expect(seen).toEqual(["open", "close", "open"]);
    breaker.stop();
  });

  it("stopped, asks nothing more", async () => {
    const { breaker, probes } = makeBreaker();
    breaker.trip(problem);
    await until(() => probes.length === 1, "a probe");
    breaker.stop();
    probes[0]!.answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(probes).toHaveLength(1);
  });
});

describe("a connection whose server does not answer", () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  beforeAll(async () => {
    server = await startRedis({ tcp: true });
    proxy = await startProxy({ port: server.port });
  });
  afterEach(() => proxy.release());
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  it("sends nothing more once it was silent for a deadline, reports it once, and recovers on the same socket", async () => {
    const { connection, errors, states } = openWatched({
      redis: `redis://127.0.0.1:${proxy.port}`,
      deadline: 2000, // The watchdog ends a silent socket after two of these.
    });
    await connection.ready();
    await connection.run(count, "warm", []);
    proxy.holdAnswers();
    const first = await Promise.all(
      Array.from({ length: 5 }, () => rejection(connection.run(count, "held", []))),
    );
    expect(new Set(first.map(({ outcome }) => outcome))).toEqual(new Set(["maybeExecuted"]));
    expect(connection.state().state).toBe("down");
    const spared = await Promise.all(
      Array.from({ length: 100 }, () => rejection(connection.run(count, "spared", []))),
    );
    expect(new Set(spared.map(({ outcome }) => outcome))).toEqual(new Set(["notSent"]));
    expect(errors.map(({ code }) => code)).toEqual(["REDIS_UNAVAILABLE"]);
    proxy.release();
    await until(() => connection.state().state === "ready", "a probe is answered");
    expect(await connection.run(count, "spared", [])).toBe(1);
    expect(await server.client.get("held")).toBe("5");
    expect(proxy.accepted()).toBe(1);
    expect(states.map(({ state }) => state)).toEqual(["ready", "down", "ready"]);
  });

  it("costs a caller of one command after the other one deadline, and not one for each", async () => {
    const { connection } = openWatched({
      redis: `redis://127.0.0.1:${proxy.port}`,
      deadline: 1000,
    });
    await connection.ready();
    await connection.get("warm");
    proxy.holdAnswers();
    expect(await rejection(connection.get("first"))).toMatchObject({ outcome: "maybeExecuted" });
    for (const key of ["second", "third"]) {
      expect(await rejection(connection.get(key))).toMatchObject({ outcome: "notSent" });
    }
  });
});
