/** What every connection through a client of the application's must do. */
import { inspect } from "node:util";
import { beforeEach, expect, it } from "@jest/globals";
import type { Connection } from "../../src/connection/port.ts";
import { declareBytes } from "./bytes-contract.ts";
import { rejection } from "./connections.ts";
import { gather } from "./given.ts";
import { until } from "./redis-server.ts";
import { addMember } from "./scripts.ts";

const BYTES = Buffer.from([0, 255, 128, 13, 10, 0, 0xc3, 0x28, 36, 42]);
const ttl = 60_000;

/** Declares what holds on any client. `make` opens a connection to an empty database. */
// oxlint-disable-next-line jest/no-export -- a suite that several files declare
export function declareSubset(make: () => Promise<Connection> | Connection): void {
  let connection: Connection;
  beforeEach(async () => {
    connection = await make();
  });

  it("gives text back, whatever it holds, and null where there is no key", async () => {
    expect(await connection.get("none")).toBeNull();
    expect(await connection.getBytes("none")).toBeNull();
    const texts = [
      "",
      "a",
      "OK",
      "1",
      "0123456789012345678901",
      "null",
      '{"a":[1]}',
      '"quoted"',
      "é\u{1F600}\r\n\0$5",
      "@base64:AAAA",
      "aGVsbG8=",
      "x".repeat(300_000),
    ];
    for (const text of texts) {
      expect(await connection.set("text", text, { ttl })).toBe(true);
      expect(await connection.get("text")).toBe(text);
      expect((await connection.getBytes("text"))?.toString()).toBe(text);
    }
  });

  it("gives bytes back as they were, and not UTF-8 read as text", async () => {
    await connection.set("bytes", BYTES, { ttl });
    expect(await connection.getBytes("bytes")).toEqual(BYTES);
    expect(await connection.get("bytes")).toBe(BYTES.toString());
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await connection.set("bytes", all, { ttl });
    expect(await connection.getBytes("bytes")).toEqual(all);
    await connection.set("bytes", Buffer.alloc(0), { ttl });
    expect(await connection.getBytes("bytes")).toEqual(Buffer.alloc(0));
  });

  declareBytes(() => connection);

  it("NX writes only where no key is, XX only where one is", async () => {
    expect(await connection.set("k", "1", { ttl, condition: "XX" })).toBe(false);
    expect(await connection.set("k", "1", { ttl, condition: "NX" })).toBe(true);
    expect(await connection.set("k", "2", { ttl, condition: "NX" })).toBe(false);
    expect(await connection.get("k")).toBe("1");
    expect(await connection.set("k", "2", { ttl, condition: "XX" })).toBe(true);
    expect(await connection.get("k")).toBe("2");
  });

  it("lets exactly one of many NX writers through", async () => {
    const writers = Array.from({ length: 30 }, (_, n) =>
      connection.set("lock", String(n), { ttl, condition: "NX" }),
    );
    expect((await Promise.all(writers)).filter(Boolean)).toHaveLength(1);
  });

  it("deletes and expires keys, and says whether there were any", async () => {
    expect(await connection.pexpire("k", ttl)).toBe(false);
    await connection.set("k", "1", { ttl: 30 });
    await until(async () => (await connection.get("k")) === null, "the key has ended");
    await connection.set("k", "1", { ttl });
    expect(await connection.pexpire("k", 10)).toBe(true);
    await until(async () => (await connection.get("k")) === null, "the key has ended");
    await connection.set("k", "1", { ttl });
    expect(await connection.del("k")).toBe(true);
    expect(await connection.del("k")).toBe(false);
  });

  it("asks Sets, fills them by a script, and takes members out", async () => {
    expect(await connection.sismember("set", "a")).toBe(false);
    expect(await connection.scard("set")).toBe(0);
    expect(await connection.run(addMember, "set", ["a", ttl])).toBe(1);
    expect(await connection.run(addMember, "set", ["b", ttl])).toBe(2);
    expect(await connection.scard("set")).toBe(2);
    expect(await connection.sismember("set", "a")).toBe(true);
    expect(await connection.srem("set", "a")).toBe(true);
    expect(await connection.srem("set", "a")).toBe(false);
    const runs = Array.from({ length: 20 }, (_, n) => connection.run(addMember, "set", [n, ttl]));
    expect(new Set(await Promise.all(runs)).size).toBe(20);
  });

  it("scans by prefix, letter by letter", async () => {
    const names = Array.from({ length: 300 }, (_, n) => `p:${n}`);
    const others = ["p", "xp:1", "a[b]:1", "ab:1", "a*:1", "axc:1"];
    await Promise.all([...names, ...others].map((key) => connection.set(key, "1", { ttl })));
    expect(await gather(connection, "p:")).toEqual(names.toSorted());
    expect(await gather(connection, "a[b]:")).toEqual(["a[b]:1"]);
    expect(await gather(connection, "a*:")).toEqual(["a*:1"]);
    expect(await gather(connection, "none:")).toEqual([]);
  });

  it("hands on what the server refuses, without keys and arguments", async () => {
    await connection.set("user:s3cret-key", "text", { ttl });
    for (const failing of [
      connection.sismember("user:s3cret-key", "s3cret-argument"),
      connection.run(addMember, "user:s3cret-key", ["s3cret-argument", ttl]),
      connection.set("user:s3cret-key", "s3cret-value", { ttl: 0 }),
    ]) {
      const error = await rejection(failing);
      expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", status: 503 });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret/);
    }
    expect((await rejection(connection.scard("user:s3cret-key"))).message).toContain("WRONGTYPE");
    expect(connection.state().state).toBe("ready");
  });

  it("pushes no messages: what subscribes would be the application's client", () => {
    expect(connection.push).toBeUndefined();
  });

  it("is ready, pings, and takes nothing after its close", async () => {
    await connection.ready();
    await connection.ping();
    expect(connection.state()).toMatchObject({ state: "ready", problem: undefined });
    const last = connection.set("last", "1", { ttl });
    await Promise.all([connection.close(), connection.close()]);
    expect(await last).toBe(true);
    expect(connection.state().state).toBe("closed");
    expect(await rejection(connection.get("k"))).toMatchObject({
      code: "KIT_CLOSED",
      outcome: "notSent",
    });
    expect((await rejection(connection.ready())).code).toBe("KIT_CLOSED");
    expect((await rejection(gather(connection, "p:"))).code).toBe("KIT_CLOSED");
  });
}
