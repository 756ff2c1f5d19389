/** The list of commands that the doctor judges rights by, compared with what the kit really sends. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { COMMANDS_USED, WITHOUT_RIGHT } from "../../src/cli/commands-used.ts";
import { createBrowser } from "../support/example.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const ROOT = resolve(__dirname, "../..");
const LISTED = COMMANDS_USED.map(({ name }) => name);
const KNOWN = new Set([...LISTED, ...WITHOUT_RIGHT]);
/** Commands that are told apart by their second word. */
const CONTAINERS = new Set(["ACL", "CLIENT", "CLUSTER", "CONFIG", "FUNCTION", "SCRIPT"]);

/**
 * Named in the source and never sent: an error's code, and what rate-limit-redis asks for and gets from
 * this process. That they are not sent is what the server's own count below proves.
 */
const NEVER_SENT = ["READONLY", "SCRIPT", "SCRIPT|LOAD"];

/** Source texts that may hold a command: ours without the doctor, and the library whose scripts we run. */
function sources(): string[] {
  const ours = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("cli"))
    .map((file) => join(ROOT, "src", file));
  const theirs = join(ROOT, "node_modules/rate-limit-redis/dist/index.mjs");
  return [...ours, theirs].map((file) => readFileSync(file, "utf8"));
}

/** Every command that a text calls in Lua. */
function calledIn(text: string): string[] {
  return [...text.matchAll(/redis\.p?call\(\s*["'](\w+)["']/g)].map(([, name]) =>
    name!.toUpperCase(),
  );
}

/** Every literal of a text that is a command of the server. */
function literalsIn(text: string, commands: ReadonlySet<string>): string[] {
  return [...text.matchAll(/"([A-Z]+)"(?:,\s*"([A-Z-]+)")?/g)]
    .filter(([, name]) => commands.has(name!))
    .map(([, name, second]) =>
      CONTAINERS.has(name!) && second !== undefined ? `${name}|${second}` : name!,
    );
}

async function commandsOf(redis: RedisServer): Promise<Set<string>> {
  const names = (await redis.client.call("COMMAND", "LIST")) as string[];
  return new Set(names.map((name) => name.toUpperCase()));
}

/** Everything that the kit offers, used once. */
async function useEverything(redis: RedisServer): Promise<void> {
  const kit = makeKit({ redis: redis.url, secret: "s".repeat(32) }, { NODE_ENV: "test" });
  await kit.ready();
  const app = express();
  app.use(kit.rateLimit(), kit.session(), express.json());
  app.post("/login", kit.rateLimit("auth"), async (req, res) => {
    await kit.login(req, String(req.body.username));
    res.json({});
  });
  app.post("/logout", async (req, res) => {
    await kit.logout(req);
    res.json({});
  });
  app.post("/cart", (req, res) => {
    (req.session as unknown as { cart: number }).cart = Date.now();
    res.json({});
  });
  app.post("/fail", kit.rateLimit("auth"), (_req, res) => void res.sendStatus(401));
  const fixed = { type: "fixed", algorithm: "fixed-window", skipSuccessfulRequests: true } as const;
  app.get("/fixed", kit.rateLimit({ ...fixed, limit: 9, windowMs: 60_000 }), (_req, res) => {
    res.json({});
  });
  const cached = kit.cache("page", { scope: "public", tags: ["pages"], memory: {} });
  app.get("/page", cached, (_req, res) => void res.json({ page: 1 }));
  app.post("/page", kit.cache.purges("page"), (_req, res) => void res.json({}));
  await kit.cache.wrap("page:[id]", () => 1, { params: { id: 1 } });
  await kit.cache.expire("page:[id]", { id: 1 });
  const url = await serve(app);
  for (const browser of [createBrowser(url), createBrowser(url)]) {
    const username = "ada";
    await browser("POST", "/login", { username });
    await browser("POST", "/login", { username });
    await browser("POST", "/cart");
    await browser("GET", "/page");
    await browser("GET", "/page");
    await browser("POST", "/page");
    await browser("POST", "/fail", { username });
    await Promise.all([browser("GET", "/fixed"), browser("GET", "/fixed")]);
  }
  await createBrowser(url)("POST", "/cart");
  const store = kit.sessionStore();
  await new Promise((done) => store.length!(done));
  const browser = createBrowser(url);
  await browser("POST", "/login", { username: "bob" });
  await browser("POST", "/logout");
  await kit.health();
  await kit.close();
}

async function seenBy(redis: RedisServer): Promise<string[]> {
  const stats = await redis.client.info("commandstats");
  return [...stats.matchAll(/^cmdstat_([^:]+):calls/gm)]
    .map(([, name]) => name!.toUpperCase())
    .filter((name) => name !== "CONFIG|RESETSTAT");
}

describe("the list of commands", () => {
  it("is in order, and names each once", () => {
    expect(LISTED).toEqual([...new Set(LISTED)].toSorted());
  });

  it("holds every command that the source names, in its scripts too", async () => {
    const redis = await startRedis();
    const commands = await commandsOf(redis);
    const texts = sources();
    expect(texts.flatMap(calledIn)).toContain("SMEMBERS"); // The search finds scripts.
    expect(texts.flatMap((text) => literalsIn(text, commands))).toContain("EVALSHA");
    const named = texts.flatMap((text) => [...calledIn(text), ...literalsIn(text, commands)]);
    const unlisted = new Set(named.filter((name) => !KNOWN.has(name)));
    expect([...unlisted].toSorted()).toEqual(NEVER_SENT);
  });

  it("holds every command that a server saw while an app did everything, and no more", async () => {
    const redis = await startRedis();
    const commands = await commandsOf(redis);
    await redis.client.config("RESETSTAT");
    await useEverything(redis);
    const seen = await seenBy(redis);
    expect(seen.filter((name) => !KNOWN.has(name))).toEqual([]);
    const named = sources().flatMap((text) => [...calledIn(text), ...literalsIn(text, commands)]);
    // Sent by ioredis: one only to Redis 7.2 and later, the other only for a database other than 0.
    const beside = ["CLIENT|SETINFO", "SELECT"];
    const sent = new Set([...seen, ...named, ...beside]);
    expect(LISTED.filter((name) => !sent.has(name))).toEqual([]);
    expect(seen).toEqual(
      expect.arrayContaining(["SADD", "SMEMBERS", "DECR", "SCAN", "EVAL", "MGET", "SETRANGE"]),
    );
  });

  it("is what the README's ACL line allows", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const line = /^ACL SETUSER .*$/m.exec(readme)![0];
    const allowed = [...line.matchAll(/ \+(\S+)/g)].map(([, name]) => name!.toUpperCase());
    // Each of these is for some deployments alone, and named in the text below the line.
    const special = new Set(["ASKING", "CLIENT|SETINFO", "CLUSTER|SLOTS", "SELECT"]);
    expect(allowed.toSorted()).toEqual(LISTED.filter((name) => !special.has(name)));
  });
});
