/** What a login, a logout and a regenerate ask of Redis, and in which order: MONITOR sees it. */
import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { claimScript, swapScript } from "../../src/session/guard/fence.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { sessionApp, sidOf, signedIn } from "../support/session-app.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(async () => {
  await server.client.flushall();
  await server.client.script("FLUSH");
});
afterAll(() => server.stop());

const app = () => serve(sessionApp(makeKit({ redis: server.url })));

/** The commands that clients sent while `work` went on; not what scripts called. */
async function commandsOf(work: () => Promise<unknown>): Promise<string[][]> {
  const monitor = await server.client.monitor();
  const commands: string[][] = [];
  let isOver = false;
  monitor.on("monitor", (_time: string, [name, ...args]: string[], source: string) => {
    if (name === "echo" && args[0] === "over") isOver = true;
    else if (source !== "lua" && name !== "info") commands.push([name!.toUpperCase(), ...args]);
  });
  try {
    await work();
    await server.client.echo("over");
    await until(() => isOver, "MONITOR has seen it all");
  } finally {
    const ended = once(monitor, "end");
    monitor.disconnect();
    await ended;
  }
  return commands;
}

/** Commands that change something, with a script under its own name, without what varies. */
function outline(commands: readonly string[][]): string[][] {
  const names = new Map([claimScript, swapScript].map(({ sha, name }) => [sha, name]));
  return commands
    .filter(([name]) => !["GET", "SISMEMBER", "SCARD", "PEXPIRE"].includes(name!))
    .map(([name, ...args]) => {
      if (name === "SET") return [name, args[0]!, args[2]!, args[4]!].map(String);
      if (name === "EVALSHA") return [name, names.get(args[0]!) ?? "save", args[1]!, args[2]!];
      if (name === "EVAL") return [name, "whole", args[1]!, args[2]!];
      return [name!, ...args];
    });
}

async function expectTtls(): Promise<void> {
  const keys: string[] = [];
  for await (const batch of server.client.scanStream()) keys.push(...(batch as string[]));
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) {
    expect([key, (await server.client.pttl(key)) > 0]).toEqual([key, true]);
  }
}

describe("MONITOR shows", () => {
  it("of a login: SET NX of the new, the claim, SET XX over the old, DEL of the pre-login id", async () => {
    const url = await app();
    const elsewhere = await signedIn(url, "7");
    const browser = request.agent(url);
    const before = sidOf(await browser.post("/data").send({ cart: 1 }));
    let after: string | undefined;
    const commands = await commandsOf(async () => {
      after = sidOf(await browser.post("/login").send({ user: "7", keep: ["cart"] }));
    });
    expect(after).toBeDefined();
    expect(outline(commands)).toEqual([
      ["SET", `session:${after}`, "PX", "NX"],
      ["EVALSHA", "claim", "1", "user:7:sessions"],
      ["SET", `session:${elsewhere.id}`, "PX", "XX"],
      ["DEL", `session:${before}`],
    ]);
    await expectTtls();
  });

  it("EVAL after EVALSHA where the script is not known, and each only once", async () => {
    const url = await app();
    let id: string | undefined;
    const commands = await commandsOf(async () => {
      id = (await signedIn(url, "7")).id;
    });
    expect(outline(commands)).toEqual([
      ["SET", `session:${id}`, "PX", "NX"],
      ["EVALSHA", "claim", "1", "user:7:sessions"],
      ["EVAL", "whole", "1", "user:7:sessions"],
    ]);
  });

  it("of a user switch: the new user's claim first, then the old id goes, then its Set is left", async () => {
    const url = await app();
    const { agent, id: before } = await signedIn(url, "7");
    let after: string | undefined;
    const commands = await commandsOf(async () => {
      after = sidOf(await agent.post("/login").send({ user: "8" }));
    });
    expect(outline(commands)).toEqual([
      ["SET", `session:${after}`, "PX", "NX"],
      ["EVALSHA", "claim", "1", "user:8:sessions"],
      ["DEL", `session:${before}`],
      ["SREM", "user:7:sessions", before],
    ]);
    expect(await server.client.exists("user:7:sessions")).toBe(0);
    await expectTtls();
  });

  it("of a logout: DEL of the session, SREM of its id; the Set itself is never deleted", async () => {
    const url = await app();
    const { agent, id } = await signedIn(url, "7");
    await server.client.sadd("user:7:sessions", "another");
    const commands = await commandsOf(() => agent.post("/logout").expect(204));
    expect(outline(commands)).toEqual([
      ["DEL", `session:${id}`],
      ["SREM", "user:7:sessions", id],
    ]);
    expect(await server.client.smembers("user:7:sessions")).toEqual(["another"]);
  });

  it("of a regenerate: SET NX, the swap, DEL of the old, and the save that fills the new", async () => {
    const url = await app();
    const { agent, id: before } = await signedIn(url, "7");
    await agent.post("/regenerate"); // Now Redis knows the scripts.
    const between = sidOf(await agent.post("/regenerate").send({ cart: 1 }))!;
    let after: string | undefined;
    const commands = await commandsOf(async () => {
      after = sidOf(await agent.post("/regenerate").send({ cart: 2 }));
    });
    expect(new Set([before, between, after]).size).toBe(3);
    expect(outline(commands)).toEqual([
      ["SET", `session:${after}`, "PX", "NX"],
      ["EVALSHA", "swap", "1", "user:7:sessions"],
      ["DEL", `session:${between}`],
      ["EVALSHA", "save", "1", `session:${after}`],
    ]);
    await expectTtls();
  });

  it("of a signed-in request that changes nothing: GET, the fence, one PEXPIRE, no write", async () => {
    const url = await app();
    const { agent, id } = await signedIn(url, "7");
    const names = async () =>
      (await commandsOf(() => agent.get("/me").expect(200))).map(([name, key]) => `${name} ${key}`);
    const reads = [`GET session:${id}`, "SISMEMBER user:7:sessions"];
    expect(await names()).toEqual([...reads, `PEXPIRE session:${id}`]);
    expect(await names()).toEqual(reads); // At most once per idle/20.
  });

  it("of an anonymous visitor who leaves nothing: nothing", async () => {
    const url = await app();
    expect(await commandsOf(() => request(url).get("/me").expect(200))).toEqual([]);
  });

  it("of a save in which a user appears: SET NX under a fresh id, the claim, the tombstone, then DEL", async () => {
    const url = await app();
    const elsewhere = await signedIn(url, "7");
    const browser = request.agent(url);
    const before = sidOf(await browser.post("/data").send({ cart: 1 }));
    let after: string | undefined;
    const commands = await commandsOf(async () => {
      after = sidOf(await browser.post("/data").send({ userId: "7" }));
    });
    expect(after).not.toBe(before);
    expect(outline(commands)).toEqual([
      ["SET", `session:${after}`, "PX", "NX"],
      ["EVALSHA", "claim", "1", "user:7:sessions"],
      ["SET", `session:${elsewhere.id}`, "PX", "XX"],
      ["DEL", `session:${before}`],
    ]);
    await expectTtls();
  });
});
