/** Several servers that a test kills, freezes and starts again: which of them live, and what they have in common. */
import { once } from "node:events";
import type { Redis } from "ioredis";
import { type RedisServer, until } from "./redis-server.ts";

/** One of them. */
export interface Member {
  readonly port: number;
  readonly server: RedisServer;
  /** A client past the kit, for looking; ended with the server. */
  readonly client: Redis;
}

/** Who lives, and who does not. */
export interface Group<M extends Member> {
  /** Whether its process runs and is not frozen. */
  isLive(member: M): boolean;
  /** SIGKILL waits until the process has ended; SIGSTOP freezes it and SIGCONT thaws it. */
  kill(member: M, signal: NodeJS.Signals): Promise<void>;
  /** Starts a killed server on its old port, with no data. */
  restart(member: M): Promise<void>;
}

/** Makes a group in which everybody lives. */
export function createGroup<M extends Member>(): Group<M> {
  const frozen = new Set<M>();
  return {
    isLive: (member) => {
      const { exitCode, signalCode } = member.server.process;
      return !frozen.has(member) && exitCode === null && signalCode === null;
    },
    kill: async (member, signal) => {
      if (signal === "SIGSTOP") frozen.add(member);
      else frozen.delete(member);
      const { process } = member.server;
      const exited = once(process, "exit");
      process.kill(signal);
      if (signal === "SIGKILL") await exited;
    },
    restart: (member) => {
      frozen.delete(member);
      return member.server.restart();
    },
  };
}

/** The fields of `INFO replication`. */
export async function replicationOf({ client }: Member): Promise<Map<string, string>> {
  const text = await client.info("replication");
  return new Map(
    text.split("\r\n").map((line) => [line.split(":", 1)[0]!, line.slice(line.indexOf(":") + 1)]),
  );
}

/** Waits until so many replicas have all that a master has written up to now. */
export async function waitForCopies({ client }: Member, replicas: number): Promise<void> {
  await client.ping(); // WAIT speaks of what its connection knew at its last command.
  await until(async () => (await client.wait(replicas, 100)) >= replicas, "the replicas have it");
}

/** The kit's connections to a server now. */
export async function kitConnections({ client }: Pick<Member, "client">): Promise<number> {
  const list = String(await client.client("LIST"));
  return list.split("\n").filter((line) => / name=express-redis-kit( |$)/.test(line)).length;
}
