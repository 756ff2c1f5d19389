/** Every command that the kit sends, in its scripts too: what a Redis user must be allowed to run. */
import type { Config } from "../config.ts";
import type { Part } from "../connection/channel.ts";
import type { KeyKind } from "../keys.ts";

type KindName = KeyKind["name"];

/** One command that the kit sends. */
export interface UsedCommand {
  /** As an ACL writes it: `SET`, `CLIENT|SETNAME`. */
  readonly name: string;
  /**
   * The kinds of keys that it is sent for, or of channels, which are named as keys are; none for a command
   * that names neither.
   */
  readonly on: readonly KindName[];
  /** What follows the name, in a form that is valid. */
  args(key: string): readonly Part[];
  /** It makes its key where there is none. */
  readonly creates?: true;
  /** Over RESP2, a connection that has sent it would take no other command. */
  readonly needsResp3?: true;
  /** Deployments that it is sent to. Default: all. */
  appliesTo?(config: Config): boolean;
  /** What the kit does without it, where it can do without. */
  readonly optional?: string;
}

const ALL: readonly KindName[] = ["ratelimit", "session", "user", "cache"];
const isCluster = ({ target }: Config) => target.kind === "cluster";
const isSocket = ({ target }: Config) => "tls" in target;
const LISTENS: Partial<UsedCommand> = {
  needsResp3: true,
  appliesTo: isSocket,
  optional: "cache({ memory }) keeps nothing, for it would not hear of what other processes purge",
};

/** The list, in alphabetical order. A command that is sent and not listed fails a test. */
export const COMMANDS_USED: readonly UsedCommand[] = [
  { name: "ASKING", on: [], args: () => [], appliesTo: isCluster },
  {
    name: "CLIENT|SETINFO",
    on: [],
    args: () => ["LIB-NAME", "ioredis"],
    appliesTo: isSocket,
    optional: "the attempt stands in ACL LOG at each connect",
  },
  {
    name: "CLIENT|SETNAME",
    on: [],
    args: () => ["express-redis-kit"],
    appliesTo: isSocket,
    optional: "CLIENT LIST does not show which connections are the kit's",
  },
  { name: "CLUSTER|SLOTS", on: [], args: () => [], appliesTo: isCluster },
  { name: "DECR", on: ["ratelimit"], args: (key) => [key], creates: true },
  { name: "DEL", on: ALL, args: (key) => [key] },
  { name: "EVAL", on: ALL, args: (key) => ["return 1", 1, key] },
  { name: "EVALSHA", on: ALL, args: (key) => ["0".repeat(40), 1, key] },
  { name: "GET", on: ["ratelimit", "session", "cache"], args: (key) => [key] },
  { name: "GETRANGE", on: ["cache"], args: (key) => [key, 0, 0] },
  { name: "INCR", on: ["ratelimit"], args: (key) => [key], creates: true },
  { name: "INFO", on: [], args: () => [], appliesTo: isSocket },
  { name: "MGET", on: ["cache"], args: (key) => [key] },
  { name: "PEXPIRE", on: ["session", "user", "cache"], args: (key) => [key, 1000] },
  { name: "PING", on: [], args: () => [] },
  { name: "PTTL", on: ["ratelimit", "session", "user", "cache"], args: (key) => [key] },
  { name: "PUBLISH", on: ["cache"], args: (channel) => [channel, ""], appliesTo: isSocket },
  { name: "SADD", on: ["user"], args: (key) => [key, "0"], creates: true },
  { name: "SCAN", on: [], args: () => [0, "COUNT", 1] },
  { name: "SCARD", on: ["user"], args: (key) => [key] },
  {
    name: "SELECT",
    on: [],
    args: () => [0],
    appliesTo: ({ target }) => "db" in target && target.db !== 0,
  },
  {
    name: "SET",
    on: ["ratelimit", "session", "cache"],
    args: (key) => [key, "0", "PX", 1000, "XX"],
  },
  { name: "SETRANGE", on: ["cache"], args: (key) => [key, 0, ""] },
  { name: "SISMEMBER", on: ["user"], args: (key) => [key, "0"] },
  { name: "SMEMBERS", on: ["user"], args: (key) => [key] },
  { name: "SREM", on: ["user"], args: (key) => [key, "0"] },
  { name: "SUBSCRIBE", on: ["cache"], args: (channel) => [channel], ...LISTENS },
  { name: "TIME", on: [], args: () => [] },
  { name: "UNSUBSCRIBE", on: ["cache"], args: (channel) => [channel], ...LISTENS },
];

/** Commands of the connection itself that no right can deny, or that go to a Sentinel, which has users of its own. */
export const WITHOUT_RIGHT: readonly string[] = ["AUTH", "HELLO", "QUIT", "SENTINEL"];
