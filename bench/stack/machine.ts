/** What a run ran on: figures mean nothing without. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { isPinned } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";

/** Facts by name, in the order in which they are printed. */
export type Machine = Readonly<Record<string, string>>;

const PACKAGES = [
  "express",
  "ioredis",
  "express-rate-limit",
  "rate-limit-redis",
  "express-session",
  "connect-redis",
  "@upstash/redis",
  "autocannon",
];

function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return `${name} ${version}`;
}

/** The distribution's name; none where there is no such file. */
function distribution(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return `${/^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? "unknown"}, `;
  } catch {
    return "";
  }
}

/** Reads what the machine, Node, Redis and the packages say of themselves. */
export async function machineOf({ client }: RedisServer): Promise<Machine> {
  const all = cpus();
  const redis = /redis_version:(\S+)/.exec(await client.info("server"))?.[1] ?? "unknown";
  return {
    date: new Date().toISOString().slice(0, 10),
    CPU: `${all[0]?.model.trim() ?? "unknown"}, ${all.length} cores`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    system: `${distribution()}${type()} ${release()}`,
    cores: isPinned() ? "the server on one, Redis and the load on another" : "not held",
    Node: process.version,
    Redis: redis,
    packages: PACKAGES.map(versionOf).join(", "),
  };
}
