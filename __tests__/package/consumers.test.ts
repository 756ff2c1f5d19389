/** The packed tarball, installed as a user installs it, in an ES module, a CommonJS and a TypeScript project. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const ROOT = resolve(__dirname, "../..");
const TSC = join(ROOT, "node_modules/.bin/tsc");

let redis: RedisServer;
let folder: string;

function run(command: string, args: string[], env: Record<string, string> = {}): string {
  return execFileSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NODE_ENV: "development", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Serves one request through the kit and prints what Redis saw of the process. */
const BODY = `
  const app = express();
  app.use(kit.rateLimit(), kit.session());
  app.get("/", kit.cache("page", { scope: "public" }), (req, res) => { res.json({ ok: true }); });
  const server = app.listen(0, "127.0.0.1", async () => {
    const response = await fetch("http://127.0.0.1:" + server.address().port + "/");
    console.log(response.status, response.headers.get("cache-status"), await response.text());
    await finish();
    server.close();
    await kit.close();
  });
`;

beforeAll(async () => {
  redis = await startRedis();
  folder = mkdtempSync(join(tmpdir(), "kit-consumer-"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  const packages = [`./${tarball}`, "express@5", "@types/express@5", "@types/node@20"];
  run("npm", ["install", "--no-audit", "--no-fund", ...packages]);
}, 120_000);

afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("the packed tarball", () => {
  it("brings no second Redis client", () => {
    expect(existsSync(join(folder, "node_modules/redis"))).toBe(false);
    expect(existsSync(join(folder, "node_modules/@redis"))).toBe(false);
    expect(run("npm", ["ls", "--all"])).not.toMatch(/ redis@\d|invalid/);
  });

  it("works in an ES module", () => {
    const code = `import express from "express"; import * as kit from "express-redis-kit";
      const finish = async () => {}; ${BODY}`;
    writeFileSync(join(folder, "esm.mjs"), code);
    const output = run("node", ["esm.mjs"], { REDIS_URL: redis.url, SESSION_SECRET: "s" });
    expect(output).toContain('200 express-redis-kit; fwd=miss; stored {"ok":true}');
  });

  it("works in CommonJS", () => {
    const code = `const express = require("express"); const kit = require("express-redis-kit");
      const finish = async () => {}; ${BODY}`;
    writeFileSync(join(folder, "common.cjs"), code);
    const output = run("node", ["common.cjs"], { REDIS_URL: redis.url, SESSION_SECRET: "s" });
    expect(output).toContain("200 express-redis-kit;");
  });

  it("shares one connection between an ES module's copy and a CommonJS copy", () => {
    const code = `import express from "express"; import { createRequire } from "node:module";
      import * as kit from "express-redis-kit";
      const common = createRequire(import.meta.url)("express-redis-kit");
      const finish = async () => {
        if (common.createKit === kit.createKit) throw new Error("not two copies");
        console.log("instanceof", new common.KitError("KIT_CLOSED", { message: "", fix: "" }) instanceof kit.KitError);
        console.log("health", (await common.health()).status);
        const { execFileSync } = await import("node:child_process");
        const list = execFileSync("redis-cli", ["-s", ${JSON.stringify("SOCKET")}, "client", "list"], { encoding: "utf8" });
        console.log("connections", list.split("\\n").filter((line) => line.includes("name=express-redis-kit")).length);
      }; ${BODY.replace("kit.rateLimit()", "common.rateLimit()")}`;
    writeFileSync(join(folder, "both.mjs"), code.replace("SOCKET", redis.socketPath));
    const output = run("node", ["both.mjs"], { REDIS_URL: redis.url, SESSION_SECRET: "s" });
    expect(output).toContain("200 express-redis-kit;");
    expect(output).toContain("instanceof true");
    expect(output).toContain("health ok");
    expect(output).toContain("connections 1");
  });

  it.each([["nodenext"], ["esnext", "--moduleResolution", "bundler"]])(
    "type-checks in a strict TypeScript project, module %s, library checks included",
    (...module) => {
      writeFileSync(join(folder, "typed.mts"), TYPED);
      const flags = ["--noEmit", "--strict", "--target", "es2022", "--types", "node"];
      expect(run(TSC, [...flags, "--module", ...module, "typed.mts"])).toBe("");
    },
  );
});

const TYPED = `
import express from "express";
import { cache, createKit, type Kit, KitError, login, logout, rateLimit, security, session } from "express-redis-kit";

const app = express();
app.use(security(), rateLimit(), session());
app.post("/login", rateLimit("auth"), async (req, res) => {
  await login(req, "1", { keep: ["cart"] });
  res.json({ user: req.session.userId, ended: req.sessionEnded?.reason });
});
app.get("/brands/:id", cache("brand", { scope: (req) => req.get("x-tenant") }), (req, res) => {
  res.json(req.params.id);
});
app.put("/brands/:id", cache.purges("brand"), async (req, res) => {
  await cache.purge("brand", { id: 1 });
  await logout(req);
  res.end();
});
const kit: Kit = createKit({ redis: false });
kit.on("login", ({ ended }) => ended.toFixed());
try {
  // @ts-expect-error -- no such option
  createKit({ dedline: 5 });
} catch (error) {
  if (error instanceof KitError) error.code satisfies string;
}
`;
