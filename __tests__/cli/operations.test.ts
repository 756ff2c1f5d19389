/** Every recipe of docs/operations.md, run by a shell against a real server. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import express from "express";
import { createAuthority } from "../support/certificates.ts";
import { createBrowser } from "../support/example.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

const ROOT = resolve(__dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
const ID = "550e8400-e29b-41d4-a716-446655440000";

/** The `sh` blocks under each heading. */
function recipes(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const section of PAGE.split(/^## /m).slice(1)) {
    const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
    if (blocks.length > 0) found.set(section.slice(0, section.indexOf("\n")), blocks);
  }
  return found;
}

const RECIPES = recipes();
/** Headings whose recipes were run. */
const COOKED = new Set<string>();

function findProgram(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

let redis: RedisServer;
let bin: string;

/** A `redis-cli` that leads to the test's server: the real one, or as much of it as the recipes use. */
function shim(): string {
  const real = findProgram("redis-cli");
  if (real !== undefined) return `#!/bin/sh\nexec "${real}" -s "${redis.socketPath}" "$@"\n`;
  const program = join(__dirname, "redis-cli-stand-in.cjs");
  return `#!/bin/sh\nexec "${process.execPath}" "${program}" "${redis.socketPath}" "$@"\n`;
}

/** Runs the recipes under a heading; answers what each printed. */
async function cook(heading: string, env: Record<string, string> = {}): Promise<string[]> {
  const outputs: string[] = [];
  COOKED.add(heading);
  for (const text of RECIPES.get(heading)!) {
    const { stdout, stderr } = await promisify(execFile)("sh", ["-eu", "-c", text], {
      env: { PATH: `${bin}${delimiter}${process.env["PATH"]}`, TMPDIR: bin, ...env },
    });
    expect(stderr).toBe("");
    expect(stdout).not.toMatch(/^(ERR|WRONGTYPE|NOPERM|Invalid|Unknown|Could not)/m);
    outputs.push(stdout);
  }
  return outputs;
}

function linesOf(text: string): string[] {
  return text.split("\n").filter(Boolean);
}

beforeAll(async () => {
  redis = await startRedis();
  bin = mkdtempSync(join(tmpdir(), "kit-recipes-"));
  const path = join(bin, "redis-cli");
  writeFileSync(path, shim());
  chmodSync(path, 0o755);
});

afterAll(() => rmSync(bin, { recursive: true }));

beforeEach(async () => {
  await redis.client.flushdb();
});

describe("docs/operations.md", () => {
  it("Is memory high, and why?", async () => {
    const [output] = await cook("Is memory high, and why?");
    for (const name of ["used_memory", "maxmemory", "maxmemory_policy", "used_memory_peak"]) {
      expect(output).toMatch(new RegExp(`^${name}:`, "m"));
    }
  });

  it("Which keys have no time to live?", async () => {
    await redis.client.set(`session:${ID}`, "{}");
    await redis.client.set("cache:brand:it's", "x");
    await redis.client.set("ratelimit:api:1.2.3.4", "1", "PX", 60_000);
    await redis.client.set("user:7:profile", "not the kit's");
    const [output] = await cook("Which keys have no time to live?");
    expect(linesOf(output!).toSorted()).toEqual(["cache:brand:it's", `session:${ID}`]);
  });

  it("Which keys are the largest?", async () => {
    await redis.client.set("cache:small", "x");
    await redis.client.set("cache:large", "x".repeat(10_000));
    const [output] = await cook("Which keys are the largest?");
    expect(linesOf(output!)[0]).toMatch(/^\d{5}\tcache:large$/);
  });

  it("How many keys, and how many bytes, under each prefix?", async () => {
    await redis.client.mset("cache:a", "1", "cache:b", "2", `session:${ID}`, "{}");
    const [output] = await cook("How many keys, and how many bytes, under each prefix?");
    expect(linesOf(output!).toSorted()).toEqual([
      expect.stringMatching(/^cache 2 keys \d+ bytes$/),
      expect.stringMatching(/^session 1 keys \d+ bytes$/),
    ]);
  });

  it("What is evicted?", async () => {
    await redis.client.config("SET", "maxmemory-policy", "allkeys-lru");
    const [before] = await cook("What is evicted?");
    expect(before).toMatch(/allkeys-lru[\s\S]*evicted_keys:0/);
    expect(await redis.client.config("GET", "maxmemory-policy")).toContain("noeviction");
  });

  it("Do the clocks differ?", async () => {
    const [output] = await cook("Do the clocks differ?");
    const [theirs, ours] = linesOf(output!).map(Number);
    expect(Math.abs(theirs! - ours!)).toBeLessThan(60);
  });

  it("Can this user run each command that the kit sends?", async () => {
    const [output] = await cook("Can this user run each command that the kit sends?");
    expect(linesOf(output!).slice(0, 2)).toEqual(["default", "OK"]);
  });

  it("Is the connection encrypted, and to whom?", async () => {
    const authority = await createAuthority("Recipe CA");
    const identity = await authority.issue("localhost");
    const tls = { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile };
    const encrypted = await startRedis({ tls });
    const env = { HOST: "localhost", PORT: String(encrypted.tlsPort) };
    const [output] = await cook("Is the connection encrypted, and to whom?", env);
    expect(output).toMatch(/subject=.*localhost[\s\S]*issuer=.*Recipe CA[\s\S]*notAfter=/);
    authority.remove();
  });

  it("Who is connected?", async () => {
    const kit = makeKit({ redis: redis.url });
    await kit.ready();
    const [output] = await cook("Who is connected?");
    expect(output).toMatch(/^ +1 \S+ express-redis-kit$/m);
  });

  it("Does the server end the kit's connections under load?", async () => {
    const [output] = await cook("Does the server end the kit's connections under load?");
    expect(output).toContain("pubsub 33554432 8388608 60");
    const limits = await redis.client.config("GET", "client-output-buffer-limit");
    expect(String(limits)).toContain("pubsub 0 0 0");
  });

  it("Which commands are slow?", async () => {
    await redis.client.config("SET", "slowlog-log-slower-than", "0");
    await redis.client.get("cache:slow");
    const [output] = await cook("Which commands are slow?");
    expect(output).toContain("cache:slow");
    expect(linesOf(output!).at(-1)).toMatch(/^[\d.]+ \S+$/);
  });

  it("Which keys would a logout of user 123 touch?", async () => {
    await redis.client.sadd("user:123:sessions", ID);
    const [output] = await cook("Which keys would a logout of user 123 touch?");
    expect(linesOf(output!)).toEqual(["user:123:sessions", `session:${ID}`]);
  });

  it("How do I end a user's sessions by hand?", async () => {
    const kit = makeKit({ redis: redis.url, secret: "s" }, { NODE_ENV: "test" });
    const app = express().use(kit.session());
    app.post("/login", async (req, res) => {
      await kit.login(req, "123");
      res.end();
    });
    app.get("/", (req, res) => void res.json(req.session.userId ?? null));
    const browser = createBrowser(await serve(app));
    await browser("POST", "/login");
    expect(await (await browser("GET", "/")).json()).toBe("123");
    await cook("How do I end a user's sessions by hand?");
    expect(await (await browser("GET", "/")).json()).toBeNull();
    expect(await redis.client.keys("*:*")).toEqual([]);
  });

  it("How do I reset a limit by hand?", async () => {
    const kit = makeKit({ redis: redis.url }, { NODE_ENV: "test" });
    const app = express().set("trust proxy", true);
    app.use(kit.rateLimit({ type: "api", limit: 1 }), express.json());
    app.post("/login", kit.rateLimit("auth"), (_req, res) => void res.sendStatus(401));
    const url = await serve(app);
    const headers = { "x-forwarded-for": "192.168.1.1" };
    const browser = createBrowser(url, headers);
    await browser("POST", "/login", { email: "Ada@example.com" });
    const keys = async () => (await redis.client.keys("*")).toSorted();
    expect(await keys()).toEqual([
      "ratelimit:api:192.168.1.1",
      "ratelimit:auth-account:ada%40example.com",
      "ratelimit:auth-ip:192.168.1.1",
      "ratelimit:auth:192.168.1.1:ada%40example.com",
    ]);
    await cook("How do I reset a limit by hand?");
    expect(await keys()).toEqual(["ratelimit:auth-ip:192.168.1.1"]);
    const again = await createBrowser(url, headers)("POST", "/login", {});
    expect(again.status).toBe(401);
  });

  it("has no recipe that the tests above have not run", () => {
    expect([...RECIPES.keys()].toSorted()).toEqual([...COOKED].toSorted());
  });

  it("explains every check of the doctor", async () => {
    const report = await visit({ REDIS_URL: redis.url });
    const explained = [...PAGE.matchAll(/^\| `([a-z-]+)` /gm)].map(([, id]) => id!);
    for (const { id } of report.checks) expect(explained).toContain(id);
  });
});
