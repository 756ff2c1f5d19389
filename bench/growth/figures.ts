/** What the parts found, kept in a file beside this one, so that each can be run at another time. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { RedisServer } from "../support/redis-server.ts";
import type { Finding } from "./load.ts";
import type { MapFinding } from "./maps.ts";
import type { Memory } from "./server.ts";

/** Where and when a part was run. */
export interface Circumstances {
  /** The day. */
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly redis: string;
}

/** Medians of the rounds with one number of connections. */
export interface ConnectionsRow extends Finding {
  readonly connections: number;
}

export interface ConnectionsFigures {
  readonly at: Circumstances;
  readonly rounds: number;
  /** Of a round. */
  readonly seconds: number;
  readonly rows: readonly ConnectionsRow[];
}

/** One number of identities. */
export interface IdentitiesRow {
  readonly identities: number;
  /** Of members who read what is stored: medians of the rounds; answers and memory of all, also after them. */
  readonly reading: Finding;
  /** Of strangers who are refused, and of such as send forged cookies. */
  readonly strangers: Finding;
  /** After both. */
  readonly maps: readonly MapFinding[];
  /** Bytes that Redis has in use. */
  readonly redisMemory: number;
}

export interface IdentitiesFigures {
  readonly at: Circumstances;
  readonly connections: number;
  readonly rounds: number;
  /** Of a round. */
  readonly seconds: number;
  readonly rows: readonly IdentitiesRow[];
}

/** One minute of the soak, or what a test takes for one. */
export interface SoakRow {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p99: number;
  readonly unexpected: number;
  readonly foreign: number;
  readonly memory: Memory;
}

export interface SoakFigures {
  readonly at: Circumstances;
  readonly connections: number;
  readonly members: number;
  readonly strangers: number;
  /** How long a row lasts. */
  readonly seconds: number;
  readonly rows: readonly SoakRow[];
  readonly maps: readonly MapFinding[];
}

/** All that is known. */
export interface Figures {
  readonly connections?: ConnectionsFigures;
  readonly identities?: IdentitiesFigures;
  readonly soak?: SoakFigures;
}

const FILE = new URL("figures.json", import.meta.url);

/** What earlier runs found; nothing where there were none. */
export function readFigures(): Figures {
  try {
    return JSON.parse(readFileSync(FILE, "utf8")) as Figures;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

export function writeFigures(figures: Figures): void {
  writeFileSync(FILE, `${JSON.stringify(figures, null, 2)}\n`);
}

/** Looks around. */
export async function circumstances({ client }: RedisServer): Promise<Circumstances> {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    node: process.version.slice(1),
    redis: /^redis_version:(\S+)/m.exec(await client.info("server"))?.[1] ?? "unknown",
  };
}
