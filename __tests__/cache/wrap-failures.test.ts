import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import type { Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit } from "../support/kit.ts";
import { moveDate } from "../support/moved-date.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

/** A loader that the test has succeed or fail. */
function createLoader() {
  const state = { value: "good", failure: undefined as Error | undefined, loads: 0 };
  return {
    state,
    load: async (): Promise<string> => {
      state.loads += 1;
      if (state.failure) throw state.failure;
      return state.value;
    },
  };
}

describeBackends("cache.wrap whose loader fails", (backend) => {
  const start = async (): Promise<Kit> => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    return kit;
  };

  it("gives the failure to every caller, and stores nothing", async () => {
    const { cache } = await start();
    const { state, load } = createLoader();
    state.failure = new Error("boom");
    const collapse = { wait: "60s", age: "60s" } as const;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => cache.wrap("report", load, { collapse })),
    );
    for (const result of results) {
      expect(result).toMatchObject({ status: "rejected", reason: { message: "boom" } });
    }
    expect(state.loads).toBeLessThanOrEqual(20);
    state.failure = undefined;
    expect(await cache.wrap("report", load, { collapse })).toBe("good");
    await until(async () => {
      const { loads } = state;
      expect(await cache.wrap("report", load, { collapse })).toBe("good");
      return state.loads === loads;
    }, "it is stored");
  });

  it("gives the very error, whatever it is", async () => {
    const { cache } = await start();
    for (const thrown of [new TypeError("x"), "a text", undefined, null]) {
      const throwing = async (): Promise<never> => {
        throw thrown;
      };
      await expect(cache.wrap("report", throwing)).rejects.toBe(thrown);
    }
    const atOnce = (): Promise<string> => {
      throw new RangeError("at once");
    };
    await expect(cache.wrap("report", atOnce)).rejects.toThrow(RangeError);
  });

  it("with staleIfError gives what it had", async () => {
    const { cache } = await start();
    const { state, load } = createLoader();
    const options = { staleIfError: "60s" } as const;
    expect(await cache.wrap("report", load, options)).toBe("good");
    state.value = "better";
    state.failure = new Error("boom");
    await cache.expire("report");
    expect(await cache.wrap("report", load, options)).toBe("good");
    expect(state.loads).toBe(2);
    state.failure = undefined;
    expect(await cache.wrap("report", load, options)).toBe("better");
    state.failure = new Error("boom");
    await cache.purge("report");
    await expect(cache.wrap("report", load, options)).rejects.toThrow("boom");
  });

  it("with stale gives what it had, and says nothing of a refresh that fails", async () => {
    const { cache } = await start();
    const { state, load } = createLoader();
    const options = { stale: "60s" } as const;
    await cache.wrap("report", load, options);
    state.failure = new Error("boom");
    await cache.expire("report");
    expect(await cache.wrap("report", load, options)).toBe("good");
    await until(() => state.loads === 2, "it was refreshed in vain");
    expect(await cache.wrap("report", load, options)).toBe("good");
    state.failure = undefined;
    state.value = "new";
    await until(async () => (await cache.wrap("report", load, options)) === "new", "it is new");
  });
});

describeBackends("a stale value", (backend) => {
  it("is given at once to 100 callers, while one call loads anew", async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    let loads = 0;
    let finish = (_text: string): void => {};
    const loader = (): Promise<string> => {
      loads += 1;
      return loads === 1 ? Promise.resolve("old") : new Promise((resolve) => (finish = resolve));
    };
    const ask = () => kit.cache.wrap("report", loader, { stale: "60s" });
    await ask();
    await kit.cache.expire("report");
    const values = await Promise.all(Array.from({ length: 100 }, ask));
    expect(new Set(values)).toEqual(new Set(["old"]));
    await until(() => loads === 2, "it loads anew");
    finish("new");
    await until(async () => (await ask()) === "new", "it is new");
    expect(loads).toBe(2);
  });

  it("that is loaded anew while it is purged does not come back", async () => {
    const kit = makeKit({ ...backend.options(), deadline: "10s", connectDeadline: "10s" });
    await kit.ready();
    const finish: ((text: string) => void)[] = [];
    const loader = (): Promise<string> => new Promise((resolve) => void finish.push(resolve));
    const before = kit.cache.wrap("report", loader);
    await until(() => finish.length === 1, "it loads");
    await kit.cache.purge("report");
    const after = kit.cache.wrap("report", loader);
    await until(() => finish.length === 2, "it loads anew");
    finish[0]!("old");
    expect(await before).toBe("old");
    finish[1]!("new");
    expect(await after).toBe("new");
    const last = kit.cache.wrap("report", async () => "newest");
    expect(["new", "newest"]).toContain(await last);
  });
});

describe("how long a value is", () => {
  const date = moveDate();

  it("fresh, stale, good in need, and over", async () => {
    const { cache } = makeKit({ redis: false });
    const { state, load } = createLoader();
    const options = { ttl: "10s", stale: "10s", staleIfError: "60s" } as const;
    const ask = () => cache.wrap("report", load, options);
    await ask();
    date.forward(8000);
    expect([await ask(), state.loads]).toEqual(["good", 1]);
    state.failure = new Error("boom");
    date.forward(5000);
    expect(await ask()).toBe("good");
    await until(() => state.loads === 2, "it was refreshed in vain");
    date.forward(15_000);
    expect([await ask(), state.loads]).toEqual(["good", 3]);
    date.forward(60_000);
    await expect(ask()).rejects.toThrow("boom");
  });
});

describe("while Redis is away", () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    server.kill("SIGCONT");
    await server.stop();
  });

  const FAULTS: readonly (readonly [string, () => Promise<void>])[] = [
    ["frozen", async () => server.kill("SIGSTOP")],
    [
      "killed",
      async () => {
        const exited = once(server.process, "exit");
        server.kill("SIGKILL");
        await exited;
      },
    ],
  ];

  it.each(FAULTS)("every caller is answered by the loader: %s", async (_name, breakIt) => {
    const kit = makeKit({ redis: server.url });
    await kit.ready();
    const { state, load } = createLoader();
    await kit.cache.wrap("report", load);
    await breakIt();
    state.value = "loaded";
    const values = await Promise.all(
      Array.from({ length: 20 }, () => kit.cache.wrap("report", load)),
    );
    expect(new Set(values)).toEqual(new Set(["loaded"]));
    expect(state.loads).toBeLessThanOrEqual(21);
    state.failure = new Error("boom");
    await expect(kit.cache.wrap("report", load)).rejects.toThrow("boom");
  });

  it.each(FAULTS)(
    "while it loads, nobody hangs, and no caller's loader runs twice: %s",
    async (_name, breakIt) => {
      const [one, two] = [makeKit({ redis: server.url }), makeKit({ redis: server.url })];
      await Promise.all([one.ready(), two.ready()]);
      const finish: ((text: string) => void)[] = [];
      let isBroken = false;
      const loader = (): Promise<string> =>
        isBroken ? Promise.resolve("loaded") : new Promise((resolve) => void finish.push(resolve));
      const options = { collapse: { wait: "60s", age: "60s" } } as const;
      const first = one.cache.wrap("report", loader, options);
      await until(() => finish.length === 1, "it loads");
      const others = [one, one, two, two].map((kit) => kit.cache.wrap("report", loader, options));
      isBroken = true;
      await breakIt();
      finish[0]!("loaded");
      expect(new Set(await Promise.all([first, ...others]))).toEqual(new Set(["loaded"]));
    },
  );
});
