/** The contract: what every connection must do, whatever stands behind it. */
import { inspect } from "node:util";
import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Connection } from "../../src/connection/port.ts";
import { declareBytes } from "./bytes-contract.ts";
import { rejection } from "./connections.ts";
import { declarePush } from "./push-contract.ts";
import { until } from "./redis-server.ts";
import { addMember } from "./scripts.ts";

const BYTES = Buffer.from([0, 255, 128, 13, 10, 0, 0xc3, 0x28, 36, 42]);
const ttl = 60_000;

/** All keys that a scan finds, each once. */
async function gather(connection: Connection, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of connection.scan(prefix)) found.push(...batch);
  return [...new Set(found)].toSorted();
}

/**
 * Declares what every connection must do.
 *
 * @param make opens a connection to an empty database; the caller closes it
 */
// oxlint-disable-next-line jest/no-export -- a suite that several files declare
export function declareContract(make: () => Promise<Connection> | Connection): void {
  let connection: Connection;
  beforeEach(async () => {
    connection = await make();
  });

  describe("get and set", () => {
    it("answers null where there is no key", async () => {
      expect(await connection.get("none")).toBeNull();
      expect(await connection.getBytes("none")).toBeNull();
    });

    it("gives text back, whatever it holds", async () => {
      for (const text of ["", "a", "é\u{1F600}\r\n\0$5", "x".repeat(1_000_000)]) {
        expect(await connection.set("text", text, { ttl })).toBe(true);
        expect(await connection.get("text")).toBe(text);
        expect((await connection.getBytes("text"))?.toString()).toBe(text);
      }
    });

    it("gives bytes back as they were, and not UTF-8 read as text", async () => {
      await connection.set("bytes", BYTES, { ttl });
      expect(await connection.getBytes("bytes")).toEqual(BYTES);
      expect(await connection.get("bytes")).toBe(BYTES.toString());
    });

    it("is not changed by what a caller does to its bytes later", async () => {
      const mine = Buffer.from("before");
      await connection.set("bytes", mine, { ttl });
      mine.fill("x");
      (await connection.getBytes("bytes"))?.fill("y");
      expect(await connection.get("bytes")).toBe("before");
    });

    it("NX writes only where no key is", async () => {
      expect(await connection.set("k", "1", { ttl, condition: "NX" })).toBe(true);
      expect(await connection.set("k", "2", { ttl, condition: "NX" })).toBe(false);
      expect(await connection.get("k")).toBe("1");
    });

    it("XX writes only where a key is", async () => {
      expect(await connection.set("k", "1", { ttl, condition: "XX" })).toBe(false);
      expect(await connection.get("k")).toBeNull();
      await connection.set("k", "1", { ttl });
      expect(await connection.set("k", "2", { ttl, condition: "XX" })).toBe(true);
      expect(await connection.get("k")).toBe("2");
    });

    it("lets exactly one of many NX writers through", async () => {
      const writers = Array.from({ length: 50 }, (_, n) =>
        connection.set("lock", String(n), { ttl, condition: "NX" }),
      );
      expect((await Promise.all(writers)).filter(Boolean)).toHaveLength(1);
    });

    it("ends a key after its time to live, and NX may write again", async () => {
      await connection.set("short", "1", { ttl: 30 });
      await until(async () => (await connection.get("short")) === null, "the key is gone");
      expect(await connection.set("short", "2", { ttl, condition: "NX" })).toBe(true);
    });

    it.each([0, -1, 1.5, Number.NaN])("refuses a time to live of %p", async (bad) => {
      const error = await rejection(connection.set("k", "1", { ttl: bad }));
      expect(error.code).toBe("REDIS_COMMAND_FAILED");
      expect(await connection.get("k")).toBeNull();
    });
  });

  describe("bytes", () => {
    declareBytes(() => connection);
  });

  describe("messages", () => {
    declarePush(() => connection);
  });

  describe("del and pexpire", () => {
    it("del says whether there was a key", async () => {
      await connection.set("k", "1", { ttl });
      expect(await connection.del("k")).toBe(true);
      expect(await connection.del("k")).toBe(false);
      expect(await connection.get("k")).toBeNull();
    });

    it("pexpire says whether there was a key, and never makes one", async () => {
      expect(await connection.pexpire("none", ttl)).toBe(false);
      expect(await connection.get("none")).toBeNull();
    });

    it("pexpire lengthens and shortens a life", async () => {
      await connection.set("k", "1", { ttl: 1000 });
      expect(await connection.pexpire("k", ttl)).toBe(true);
      await connection.set("other", "1", { ttl: 1100 });
      await until(async () => (await connection.get("other")) === null, "1100 ms have passed");
      expect(await connection.get("k")).toBe("1");
      await connection.pexpire("k", 10);
      await until(async () => (await connection.get("k")) === null, "the key is gone");
    });

    it("pexpire with nothing left ends the key at once", async () => {
      await connection.set("k", "1", { ttl });
      expect(await connection.pexpire("k", 0)).toBe(true);
      expect(await connection.get("k")).toBeNull();
    });
  });

  describe("pttl", () => {
    it("answers what a key has left, and nothing for no key", async () => {
      expect(await connection.pttl("k")).toBeUndefined();
      await connection.set("k", "1", { ttl });
      const left = await connection.pttl("k");
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(ttl);
    });
  });

  describe("Sets", () => {
    it("answer as an empty one where there is none", async () => {
      expect(await connection.sismember("set", "a")).toBe(false);
      expect(await connection.scard("set")).toBe(0);
      expect(await connection.smembers("set")).toEqual([]);
      expect(await connection.srem("set", "a")).toBe(false);
    });

    it("hold members, lose them, and go with the last", async () => {
      await connection.run(addMember, "set", ["a", ttl]);
      await connection.run(addMember, "set", ["b", ttl]);
      expect(await connection.scard("set")).toBe(2);
      expect((await connection.smembers("set")).toSorted()).toEqual(["a", "b"]);
      expect(await connection.sismember("set", "a")).toBe(true);
      expect(await connection.sismember("set", "A")).toBe(false);
      expect(await connection.srem("set", "a")).toBe(true);
      expect(await connection.srem("set", "a")).toBe(false);
      expect(await connection.srem("set", "b")).toBe(true);
      expect(await connection.pexpire("set", ttl)).toBe(false);
    });
  });

  describe("scan", () => {
    it("finds 1000 keys and nothing that begins otherwise", async () => {
      const names = Array.from({ length: 1000 }, (_, n) => `session:${n}`);
      const others = ["session", "sessio:1", "xsession:1", "Session:1", "user:session:1"];
      await Promise.all([...names, ...others].map((key) => connection.set(key, "1", { ttl })));
      expect(await gather(connection, "session:")).toEqual(names.toSorted());
    });

    it("finds nothing in an empty database", async () => {
      expect(await gather(connection, "session:")).toEqual([]);
    });

    it("takes a prefix by its letters, not as a pattern", async () => {
      const keys = ["a[b]:1", "ab:1", "a?c:1", "axc:1", "a*:1", "aXY:1", "a\\:1"];
      for (const key of keys) await connection.set(key, "1", { ttl });
      expect(await gather(connection, "a[b]:")).toEqual(["a[b]:1"]);
      expect(await gather(connection, "a?c:")).toEqual(["a?c:1"]);
      expect(await gather(connection, "a*:")).toEqual(["a*:1"]);
      expect(await gather(connection, "a\\:")).toEqual(["a\\:1"]);
    });

    it("leaves out what has ended", async () => {
      await connection.set("s:1", "1", { ttl: 20 });
      await connection.set("s:2", "1", { ttl });
      await until(
        async () => (await gather(connection, "s:")).length === 1,
        "the short one is gone",
      );
      expect(await gather(connection, "s:")).toEqual(["s:2"]);
    });
  });

  describe("run", () => {
    it("runs a script and answers what it answers", async () => {
      expect(await connection.run(addMember, "set", ["a", ttl])).toBe(1);
      expect(await connection.run(addMember, "set", ["b", ttl])).toBe(2);
      expect(await connection.run(addMember, "set", ["a", ttl])).toBe(2);
    });

    it("is atomic: of 50 at once, each sees another number", async () => {
      const runs = Array.from({ length: 50 }, (_, n) => connection.run(addMember, "set", [n, ttl]));
      expect(new Set(await Promise.all(runs)).size).toBe(50);
    });
  });

  describe("a key of the wrong type", () => {
    const SECRET = "s3cret-argument";
    const KEY = "user:s3cret-key";

    it.each([
      ["get", (to: Connection) => to.get(KEY), "set"],
      ["getBytes", (to: Connection) => to.getBytes(KEY), "set"],
      ["sismember", (to: Connection) => to.sismember(KEY, SECRET), "string"],
      ["scard", (to: Connection) => to.scard(KEY), "string"],
      ["smembers", (to: Connection) => to.smembers(KEY), "string"],
      ["srem", (to: Connection) => to.srem(KEY, SECRET), "string"],
      ["run", (to: Connection) => to.run(addMember, KEY, [SECRET, ttl]), "string"],
    ] as const)(
      "makes %s reject, and names neither key nor argument",
      async (_name, call, kind) => {
        if (kind === "string") await connection.set(KEY, SECRET, { ttl });
        else await connection.run(addMember, KEY, [SECRET, ttl]);
        const error = await rejection(call(connection));
        expect(error.code).toBe("REDIS_COMMAND_FAILED");
        expect(error.message).toContain("WRONGTYPE");
        expect(error.status).toBe(503);
        // With `inspect`, because that is how a logger prints the causes too.
        expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret/);
      },
    );

    it("is replaced by set", async () => {
      await connection.run(addMember, KEY, ["a", ttl]);
      expect(await connection.set(KEY, "text", { ttl })).toBe(true);
      expect(await connection.get(KEY)).toBe("text");
    });
  });

  it("is ready, pings, and says so", async () => {
    await connection.ready();
    await connection.ping();
    expect(connection.state()).toMatchObject({ state: "ready", problem: undefined });
    await connection.close();
    expect(connection.state().state).toBe("closed");
  });

  it("may be closed twice, and closed before it was ready", async () => {
    await Promise.all([connection.close(), connection.close()]);
    await connection.close();
    expect(connection.state().state).toBe("closed");
  });
}
