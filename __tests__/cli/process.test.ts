/** The doctor as a process: what stands on stdout, how it ends, and what it reads. */
import { describe, expect, it } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArguments, USAGE } from "../../src/cli/arguments.ts";
import type { Report } from "../../src/cli/finding.ts";
import { freePort, startRedis } from "../support/redis-server.ts";
import { SECRET } from "./visit.ts";

const SCRIPT = resolve(__dirname, "../../scripts/test-redis-connection.js");

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script in a folder with these variables alone, and waits until it has ended by itself. */
async function run(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd: string = tmpdir(),
): Promise<Ended> {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text));
  }
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, ...output };
}

/** A working directory with these files. */
async function inFolder<T>(files: Record<string, string>, work: (folder: string) => Promise<T>) {
  const folder = mkdtempSync(join(tmpdir(), "kit-doctor-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function reportOf({ stdout }: Ended): Report {
  return JSON.parse(stdout) as Report;
}

describe("node scripts/test-redis-connection.js", () => {
  it("prints a line a check and a summary, without colour, and ends with 0", async () => {
    const redis = await startRedis();
    const ended = await run([], { REDIS_URL: redis.url, SESSION_SECRET: SECRET });
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: "" });
    const lines = ended.stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ok {4}configuration {5}unix:\/\//);
    expect(lines.at(-2)).toBe("");
    expect(lines.at(-1)).toMatch(/^Healthy: \d+ checks, nothing is wrong; 2 notes \(.*\)\.$/);
    expect(ended.stdout).not.toContain("\u001B");
    // The details begin in one column.
    const columns = lines.slice(0, -2).map((line) => /^\w+ +\w+( \w+)* {2,}/.exec(line)![0].length);
    expect(new Set(columns).size).toBe(1);
  }, 60_000);

  it("ends with 1 where something failed, and says why and what mends it", async () => {
    const ended = await run([], { REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    expect(ended).toMatchObject({ code: 1, signal: null, stderr: "" });
    expect(ended.stdout).toMatch(/^FAIL {2}connection .*ECONNREFUSED.*\n +why: .*\n +fix: /m);
    expect(ended.stdout).toMatch(/\nNot healthy: 1 failure \(connection\)\.\n$/);
  }, 60_000);

  it("prints one JSON document and nothing else with --json, whatever the outcome", async () => {
    const redis = await startRedis();
    const well = await run(["--json"], { REDIS_URL: redis.url });
    const ill = await run(["--json"], { REDIS_URL: "redis:/typo" });
    expect([well.code, ill.code]).toEqual([0, 1]);
    for (const ended of [well, ill]) {
      expect(ended.stderr).toBe("");
      const report = reportOf(ended);
      expect(report.ok).toBe(ended.code === 0);
      for (const check of report.checks) {
        const needsHelp = check.level === "warning" || check.level === "failure";
        expect(Object.keys(check).toSorted()).toEqual([
          "data",
          "detail",
          "fix",
          "id",
          "level",
          "title",
          "why",
        ]);
        expect([check.why !== null, check.fix !== null]).toEqual([needsHelp, needsHelp]);
      }
    }
  }, 60_000);

  it("reads .env.local before .env, and lets a variable that is set win", async () => {
    const files = {
      ".env.local": "REDIS_URL=redis://from-env-local.invalid\n",
      ".env": `REDIS_URL=redis://from-env.invalid\nSESSION_SECRET=${SECRET}\n`,
    };
    await inFolder(files, async (folder) => {
      const [configuration, ...others] = reportOf(await run(["--json"], {}, folder)).checks;
      expect(configuration!.data).toMatchObject({
        target: "redis://from-env-local.invalid:6379/0",
        file: ".env.local",
      });
      expect(others.find(({ id }) => id === "session-secret")!.level).toBe("ok");
      const redis = await startRedis();
      const set = reportOf(await run(["--json"], { REDIS_URL: redis.url }, folder)).checks[0]!;
      expect(set.data).toMatchObject({ target: redis.url, file: null });
    });
  }, 60_000);

  it("ends by itself where the server is frozen", async () => {
    const redis = await startRedis({ tcp: true });
    redis.kill("SIGSTOP");
    const ended = await run(["--json"], { REDIS_URL: redis.url });
    redis.kill("SIGCONT");
    expect(ended).toMatchObject({ code: 1, signal: null, stderr: "" });
    expect(reportOf(ended).ok).toBe(false);
  }, 60_000);

  it("does not understand what it does not know: exit code 2, stdout empty", async () => {
    const ended = await run(["--jsno"]);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain("There is no such option '--jsno'. Did you mean '--json'?");
    expect(ended.stderr).toContain(USAGE);
  }, 60_000);

  it("explains itself", async () => {
    expect(await run(["--help"])).toMatchObject({ code: 0, stdout: USAGE, stderr: "" });
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  }, 60_000);
});

describe("arguments", () => {
  it("take values with a blank or an equals sign", () => {
    const given = ["doctor", "--namespace", "shop", "--deadline=500", "--json"];
    expect(parseArguments(given)).toEqual({
      kind: "doctor",
      json: true,
      options: { namespace: "shop", deadline: 500 },
    });
    expect(parseArguments(["doctor", "--deadline", "1s"])).toMatchObject({
      options: { deadline: "1s" },
    });
  });

  it.each([
    [[], "No command was given."],
    [["docter"], "There is no such command 'docter'. Did you mean 'doctor'?"],
    [["hunter2"], "There is no such command."],
    [["doctor", "doctor"], "Only one command can be given."],
    [["doctor", "--namespace"], "--namespace needs a value."],
    [["doctor", "--json=yes"], "--json takes no value."],
    [["doctor", "--password=hunter2"], "There is no such option '--password'."],
  ])("%j: %s", (given, message) => {
    expect(parseArguments(given)).toEqual({ kind: "mistake", message });
  });

  it("know the short forms", () => {
    expect(parseArguments(["-h"])).toEqual({ kind: "help" });
    expect(parseArguments(["doctor", "-v"])).toEqual({ kind: "version" });
  });
});
