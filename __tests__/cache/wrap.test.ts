import { describe, expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";

/** Calls wrap with one key until its loader runs no more, and answers all values and how often it ran. */
function createCaller(kit: ReturnType<typeof makeKit>, key = "report") {
  let loads = 0;
  return {
    loads: () => loads,
    get: <T>(value: () => T, options?: Parameters<typeof kit.cache.wrap>[2]): Promise<T> =>
      kit.cache.wrap(
        key,
        async () => {
          loads += 1;
          return value();
        },
        options,
      ),
  };
}

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  toJSON(): string {
    return `${this.cents} ct`;
  }
}

/** What a loader gives, and what every caller gets. */
const STORED: readonly (readonly [string, () => unknown, unknown])[] = [
  [
    "an object",
    () => ({ a: [1, "2", true, null], b: { c: "é\u2028\0" } }),
    { a: [1, "2", true, null], b: { c: "é\u2028\0" } },
  ],
  ["an array", () => [1, 2], [1, 2]],
  ["a string", () => "text", "text"],
  ["an empty string", () => "", ""],
  ["a number", () => 1.5, 1.5],
  ["0", () => 0, 0],
  ["false", () => false, false],
  ["null", () => null, null],
  ["a Date", () => new Date(0), "1970-01-01T00:00:00.000Z"],
  ["a Date within", () => ({ at: new Date(0) }), { at: "1970-01-01T00:00:00.000Z" }],
  ["an undefined field", () => ({ a: undefined, b: 1 }), { b: 1 }],
  ["what has a toJSON", () => new Money(5), "5 ct"],
  ["a text that looks like an entry", () => '{"status":200}\n', '{"status":200}\n'],
  ["bytes", () => Buffer.from([0, 255, 10, 13, 128]), Buffer.from([0, 255, 10, 13, 128])],
  ["no bytes", () => Buffer.alloc(0), Buffer.alloc(0)],
  ["a Uint8Array", () => new Uint8Array([1, 2, 3]), Buffer.from([1, 2, 3])],
  ["a part of a buffer", () => Buffer.from("abcdef").subarray(2, 4), Buffer.from("cd")],
];

describeDeployments("cache.wrap", (options) => {
  it("gives every caller the same value, the first one too", async () => {
    const kit = makeKit({ ...options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    for (const [name, value, wanted] of STORED) {
      const caller = createCaller(kit, `value:${STORED.findIndex(([one]) => one === name)}`);
      for (let call = 0; call < 3; call++) {
        const got = await caller.get(value);
        expect([name, got]).toEqual([name, wanted]);
        expect(Buffer.isBuffer(got)).toBe(Buffer.isBuffer(wanted));
      }
      expect([name, caller.loads()]).toEqual([name, 1]);
    }
  });

  it("calls its loader once for 100 callers at once", async () => {
    const kit = makeKit({ ...options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    let loads = 0;
    let finish = (_text: string): void => {};
    const loader = (): Promise<string> => {
      loads += 1;
      return new Promise((resolve) => (finish = resolve));
    };
    const values = Array.from({ length: 100 }, () =>
      kit.cache.wrap("report", loader, { collapse: { wait: "60s", age: "60s" } }),
    );
    await until(() => loads > 0, "it loads");
    finish("loaded");
    expect(new Set(await Promise.all(values))).toEqual(new Set(["loaded"]));
    expect(loads).toBe(1);
  });
});

describeBackends("cache.wrap", (backend) => {
  const start = async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    return kit;
  };
  const isSame = (): void => {};
  const circular: { self?: unknown } = {};
  circular.self = circular;

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["a function", isSame],
    ["a symbol", Symbol.for("x")],
    ["a BigInt", 12n],
    ["a BigInt within", { big: 12n }],
    ["a circle", circular],
    ["NaN", Number.NaN],
    ["a Map", new Map([[1, 2]])],
    ["a Set within", { set: new Set([1]) }],
    ["an Error", new Error("x")],
    ["bytes within", { bytes: Buffer.from("x") }],
    ["a function within", { run: isSame }],
  ])("answers what JSON cannot hold, and does not store it: %s", async (_name, value) => {
    const caller = createCaller(await start());
    expect(await caller.get(() => value)).toBe(value);
    expect(await caller.get(() => value)).toBe(value);
    expect(caller.loads()).toBe(2);
  });

  it("lets no caller change what another one gets", async () => {
    const kit = await start();
    const caller = createCaller(kit);
    const values = await Promise.all(
      Array.from({ length: 3 }, () => caller.get(() => ({ list: [1] }))),
    );
    values[0]!.list.push(2);
    expect(values[1]).toEqual({ list: [1] });
    expect(await caller.get(() => ({ list: [1] }))).toEqual({ list: [1] });
    const bytes = createCaller(kit, "bytes");
    (await bytes.get(() => Buffer.from("abc"))).fill(0);
    expect(await bytes.get(() => Buffer.from("abc"))).toEqual(Buffer.from("abc"));
  });

  it("has a key for each of its params' values, and none of them makes a segment", async () => {
    const kit = await start();
    const ask = (id: string) =>
      kit.cache.wrap("brand:[id]:stats", async () => `of ${id}`, { params: { id } });
    const ids = ["456", "789", "456:stats", "*", "@tag", "é", "x".repeat(5000)];
    for (const id of ids) expect(await ask(id)).toBe(`of ${id}`);
    for (const id of ids) expect(await ask(id)).toBe(`of ${id}`);
    expect(await kit.cache.purge("brand:[id]:stats", { id: "456" })).toBe(true);
    let loads = 0;
    const count = (id: string) =>
      kit.cache.wrap("brand:[id]:stats", async () => `anew ${++loads}`, { params: { id } });
    expect(await count("456")).toBe("anew 1");
    expect(await count("456:stats")).toBe("of 456:stats");
  });

  it("does not store what is longer than maxBytes", async () => {
    const caller = createCaller(await start());
    const long = "x".repeat(100);
    for (let call = 0; call < 2; call++) {
      expect(await caller.get(() => long, { maxBytes: 50 })).toBe(long);
    }
    expect(caller.loads()).toBe(2);
    expect(await caller.get(() => long, { maxBytes: 200 })).toBe(long);
    expect(await caller.get(() => long, { maxBytes: 200 })).toBe(long);
    expect(caller.loads()).toBe(3);
  });

  it("with collapse: false calls its loader for each caller", async () => {
    const caller = createCaller(await start());
    const values = Array.from({ length: 5 }, () => caller.get(() => "x", { collapse: false }));
    expect(await Promise.all(values)).toEqual(["x", "x", "x", "x", "x"]);
    expect(caller.loads()).toBe(5);
  });

  it("ends after ttl", async () => {
    const caller = createCaller(await start());
    expect(await caller.get(() => "first", { ttl: 200 })).toBe("first");
    expect(await caller.get(() => "second", { ttl: 60_000 })).toBe("first");
    await until(async () => (await caller.get(() => "second")) === "second", "it has ended");
    expect(caller.loads()).toBe(2);
  });
});

describe("what cache.wrap is told", () => {
  it.each<[string, object | undefined, string]>([
    ["brand:[id]", undefined, "id"],
    ["brand:[id]", { params: {} }, "id"],
    ["brand:[id]", { params: { di: 1 } }, "id"],
    ["report", { ttl: "soon" }, "ttl"],
    ["report", { ttl: "origin" }, "ttl"],
    ["report", { scope: "user" }, "scope"],
    ["report", { maxBytes: -1 }, "maxBytes"],
    ["", undefined, ""],
  ])("is checked before its loader runs: %j %j", async (key, options, named) => {
    const { cache } = makeKit({ redis: false });
    let loads = 0;
    const call = async (): Promise<unknown> => cache.wrap(key, async () => ++loads, options);
    await expect(call()).rejects.toThrow(named);
    await expect(call()).rejects.toMatchObject({ name: "KitError" });
    expect(loads).toBe(0);
  });
});
