import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis, type RedisConfigNodejs } from "@upstash/redis";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

// The emulator stands for Upstash in all other tests, so Upstash's own client must find nothing amiss.
let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath, longestRequest: 100_000 });
});
beforeEach(async () => {
  await server.client.flushall();
  await server.client.script("FLUSH");
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex");

function client(options: Partial<RedisConfigNodejs> = {}): Redis {
  return new Redis({
    url: emulator.url,
    token: "token",
    retry: { retries: 0 },
    enableTelemetry: false,
    automaticDeserialization: false,
    ...options,
  });
}

/** A request of the test's own. */
async function ask(
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(emulator.url + path, {
    ...init,
    headers: { Authorization: "Bearer token", ...(init.headers as Record<string, string>) },
  });
  return { status: response.status, body: await response.json() };
}

describe.each(["base64", false] as const)("@upstash/redis with responseEncoding %s", (encoding) => {
  const open = () => client({ responseEncoding: encoding });

  it("sets, gets and deletes", async () => {
    const redis = open();
    expect(await redis.set("k", "é\u{1F600}")).toBe("OK");
    expect(await redis.get("k")).toBe("é\u{1F600}");
    expect(await redis.get("none")).toBeNull();
    expect(await redis.del("k")).toBe(1);
  });

  it("honours PX and NX", async () => {
    const redis = open();
    expect(await redis.set("k", "1", { px: 60_000, nx: true })).toBe("OK");
    expect(await redis.set("k", "2", { px: 60_000, nx: true })).toBeNull();
    expect(await redis.get("k")).toBe("1");
    expect(await redis.pttl("k")).toBeGreaterThan(50_000);
  });

  it("keeps sets, and scans", async () => {
    const redis = open();
    expect(await redis.sadd("s", "a", "b")).toBe(2);
    expect((await redis.smembers("s")).toSorted()).toEqual(["a", "b"]);
    expect(await redis.sismember("s", "a")).toBe(1);
    const [cursor, keys] = await redis.scan(0, { match: "s*" });
    expect([cursor, keys]).toEqual(["0", ["s"]]);
  });

  it("runs scripts, and answers nested arrays", async () => {
    const redis = open();
    const lua = "return {1, {KEYS[1], ARGV[1]}, false}";
    expect(await redis.eval(lua, ["k"], ["v"])).toEqual([1, ["k", "v"], null]);
    expect(await redis.evalsha(sha1(lua), ["k"], ["v"])).toEqual([1, ["k", "v"], null]);
  });

  it("batches a pipeline, each command with its own result or error", async () => {
    const redis = open();
    const before = emulator.requests.length;
    const pipeline = redis.pipeline();
    pipeline.set("k", "v").incr("k").get("k");
    const results = await pipeline.exec({ keepErrors: true });
    expect(results.map(({ result, error }) => error ?? result)).toEqual([
      "OK",
      "ERR value is not an integer or out of range",
      "v",
    ]);
    expect(emulator.requests.length - before).toBe(1);
  });

  it("runs transactions whole, or not at all", async () => {
    const redis = open();
    expect(await redis.multi().set("k", "1").incr("k").get("k").exec()).toEqual(["OK", 2, "2"]);
    const wrong = redis.multi().set("k", "9");
    wrong.eval("syntax error", [], []); // Fails when it runs, which does not undo the rest.
    await expect(wrong.exec()).rejects.toThrow(/script/i);
    const body = JSON.stringify([["SET", "k", "8"], ["NOSUCH"]]);
    const refused = await ask("/multi-exec", { method: "POST", body });
    expect(refused.body).toEqual({ error: expect.stringContaining("unknown command") });
    expect(await redis.get("k")).toBe("9");
  });

  it("pipelines by itself where it is told to", async () => {
    const redis = client({ responseEncoding: encoding, enableAutoPipelining: true });
    const before = emulator.requests.length;
    const names = Array.from({ length: 10 }, (_, n) => `k${n}`);
    expect(await Promise.all(names.map((name) => redis.set(name, "1")))).toEqual(
      names.map(() => "OK"),
    );
    const seen = emulator.requests.slice(before);
    expect(seen.map(({ path }) => path)).toEqual(["/pipeline"]);
    expect(seen[0]!.commands).toHaveLength(10);
  });
});

describe("errors", () => {
  it("are told with status 400, in the server's words", async () => {
    await server.client.sadd("s", "a");
    await expect(client().get("s")).rejects.toThrow(/WRONGTYPE/);
    const body = JSON.stringify(["GET", "s"]);
    const answer = await ask("/", { method: "POST", body });
    expect(answer).toEqual({ status: 400, body: { error: expect.stringMatching(/^WRONGTYPE/) } });
  });

  it("name what was no command at all", async () => {
    const answer = await ask("/", { method: "POST", body: "no JSON" });
    expect(answer).toEqual({ status: 400, body: { error: expect.any(String) } });
    expect((await ask("/get/k", { method: "DELETE" })).status).toBe(405);
  });

  it("refuse a request that is too long", async () => {
    const body = JSON.stringify(["SET", "k", "x".repeat(100_000)]);
    const answer = await ask("/", { method: "POST", body });
    expect(answer.body).toEqual({ error: expect.stringMatching(/^ERR max request size exceeded/) });
  });
});

describe("tokens", () => {
  it("are asked for, and can be changed while the emulator runs", async () => {
    await expect(client({ token: "other" }).get("k")).rejects.toThrow(/WRONGPASS/);
    emulator.tokens.add("other");
    expect(await client({ token: "other" }).get("k")).toBeNull();
    emulator.tokens.delete("other");
    const headers = { Authorization: "Bearer other" };
    expect((await ask("/get/k", { headers })).status).toBe(401);
    expect((await ask("/get/k?_token=token", { headers: { Authorization: "" } })).status).toBe(200);
  });
});

describe("commands in the path", () => {
  it("take the body as a value, and the query as what follows it", async () => {
    expect((await ask("/set/k/v/PX/60000")).body).toEqual({ result: "OK" });
    expect((await ask("/set/j?PX=60000", { method: "POST", body: "{}" })).body).toEqual({
      result: "OK",
    });
    expect((await ask("/get/j")).body).toEqual({ result: "{}" });
    expect(await server.client.pttl("j")).toBeGreaterThan(50_000);
  });
});

describe("base64", () => {
  it("encodes every string but the status OK, and brings bytes through", async () => {
    const bytes = Buffer.from([0, 255, 128]);
    await server.client.set("bytes", bytes);
    const headers = { "Upstash-Encoding": "base64" };
    expect((await ask("/get/bytes", { headers })).body).toEqual({
      result: bytes.toString("base64"),
    });
    expect((await ask("/get/bytes")).body).toEqual({ result: bytes.toString() });
    expect((await ask("/set/k/v", { headers })).body).toEqual({ result: "OK" });
    expect((await ask("/ping", { headers })).body).toEqual({ result: "UE9ORw==" });
  });
});

describe("scripts with the header that allows locks by key", () => {
  const HEADER = "#!lua flags=allow-key-locking\n";
  const lua = `${HEADER}return redis.call('INCR', KEYS[1])`;

  it("are known by the SHA of their text with the header, once they were sent", async () => {
    const redis = client();
    await expect(redis.evalsha(sha1(lua), ["k"], [])).rejects.toThrow(/NOSCRIPT/);
    expect(await redis.eval(lua, ["k"], [])).toBe(1);
    expect(await redis.evalsha(sha1(lua), ["k"], [])).toBe(2);
    const bare = lua.slice(HEADER.length);
    await expect(redis.evalsha(sha1(bare), ["k"], [])).rejects.toThrow(/NOSCRIPT/);
  });

  it("can be loaded, and are forgotten by SCRIPT FLUSH", async () => {
    const redis = client();
    expect(await redis.scriptLoad(lua)).toBe(sha1(lua));
    expect(await redis.evalsha(sha1(lua), ["k"], [])).toBe(1);
    await redis.scriptFlush();
    await expect(redis.evalsha(sha1(lua), ["k"], [])).rejects.toThrow(/NOSCRIPT/);
  });

  it("may touch no key that was not declared", async () => {
    const sly = `${HEADER}return redis.call('GET', ARGV[1])`;
    await expect(client().eval(sly, ["k"], ["other"])).rejects.toThrow(/Dynamic keys/);
    const timely = `${HEADER}return #redis.call('TIME')`;
    expect(await client().eval(timely, ["k"], [])).toBe(2);
  });

  it("are told from those without", async () => {
    const before = emulator.plainScripts.length;
    await client().eval(lua, ["k"], []);
    expect(emulator.plainScripts).toHaveLength(before);
    await client().eval("return 1", [], []);
    expect(emulator.plainScripts.slice(before)).toEqual(["return 1"]);
  });
});

describe("read your writes", () => {
  it("gives a token with each answer, which the client sends with its next request", async () => {
    const redis = client();
    await redis.set("k", "1");
    const token = redis.readYourWritesSyncToken;
    expect(token).toMatch(/^sync-\d+$/);
    await redis.get("k");
    expect(emulator.requests.at(-1)!.headers["upstash-sync-token"]).toBe(token);
  });
});

describe("faults", () => {
  it("happen before the commands ran, or after", async () => {
    const redis = client();
    emulator.fail({ kind: "close", when: "before" }, 1);
    await expect(redis.incr("n")).rejects.toThrow("fetch failed");
    expect(await server.client.get("n")).toBeNull();
    emulator.fail({ kind: "close", when: "after" }, 1);
    await expect(redis.incr("n")).rejects.toThrow("fetch failed");
    expect(await server.client.get("n")).toBe("1");
    expect(await redis.incr("n")).toBe(2);
  });

  it("answer what the test says, and end bodies in their middle", async () => {
    emulator.fail({ kind: "answer", status: 503, body: '{"error":"busy"}' }, 1);
    expect(await ask("/incr/n")).toEqual({ status: 503, body: { error: "busy" } });
    emulator.fail({ kind: "truncate" }, 1);
    await expect(ask("/incr/n")).rejects.toThrow("terminated");
    expect(await server.client.get("n")).toBe("1");
  });

  it("hold answers back until they are released", async () => {
    emulator.fail({ kind: "hold", when: "after" }, 1);
    let isAnswered = false;
    const answer = ask("/incr/n").finally(() => (isAnswered = true));
    await expect(ask("/incr/n")).resolves.toEqual({ status: 200, body: { result: 2 } });
    expect(isAnswered).toBe(false);
    emulator.heal();
    expect((await answer).body).toEqual({ result: 1 });
  });
});
