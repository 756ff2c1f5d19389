/** Runs commands on a redis-server as Upstash does: its scripts, its transactions, its JSON. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";

const KEY_LOCKING = /^#!lua flags=(?:[\w-]+,)*allow-key-locking(?:,[\w-]+)*\n/;
/** Commands in scripts whose first argument is no key. */
const KEYLESS = ["TIME", "PING", "ECHO", "PUBLISH", "SCAN", "DBSIZE"];
/**
 * Stands in for the header line, which redis-server rejects, and does what the header does on Upstash:
 * a script that touches a key which was not declared is refused.
 */
const GUARD = `local redis = (function(real) local keyless = {${KEYLESS.map((name) => `['${name}']=1`).join(",")}} local function check(name, key) if keyless[string.upper(name)] then return end for _, declared in ipairs(KEYS) do if declared == key then return end end error({err = "ERR Dynamic keys are not allowed in Lua scripts when 'allow-key-locking' flag is set. Key was: " .. tostring(key)}) end return setmetatable({call = function(...) check(...) return real.call(...) end, pcall = function(...) check(...) return real.pcall(...) end}, {__index = real}) end)(redis)\n`;

type Reply = number | null | Buffer | Reply[];
type Result = { result: unknown } | { error: string };

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** Replies as JSON: text where it is text, or all strings in base64. */
function toJson(reply: Reply, isBase64: boolean): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString(isBase64 ? "base64" : "utf8");
  return Array.isArray(reply) ? reply.map((item) => toJson(item, isBase64)) : reply;
}

/** Runs commands as Upstash does: scripts by their text with the header, each in its turn. */
export class RestDatabase {
  readonly redis: Redis;
  readonly plainScripts: string[] = [];
  leavesEveryOkPlain = true;
  /** From the SHA of a script with its header to the SHA that redis-server knows it by. */
  readonly #known = new Map<string, string>();

  constructor(socketPath: string) {
    this.redis = new Redis({ path: socketPath, maxRetriesPerRequest: 0 });
    this.redis.on("error", () => {});
  }

  #text(lua: string): string {
    if (!KEY_LOCKING.test(lua)) {
      this.plainScripts.push(lua);
      return lua;
    }
    const inner = lua.replace(KEY_LOCKING, GUARD);
    this.#known.set(sha1(lua), sha1(inner));
    return inner;
  }

  async #send(name: string, args: readonly string[], redis: Redis): Promise<Reply> {
    const [first = "", ...rest] = args;
    if (name === "EVAL") return this.#call(redis, name, [this.#text(first), ...rest]);
    if (name === "EVALSHA") {
      const sha = first.toLowerCase();
      return this.#call(redis, name, [this.#known.get(sha) ?? sha, ...rest]);
    }
    if (name === "SCRIPT" && /^load$/i.test(first)) {
      await this.#call(redis, name, [first, this.#text(rest[0] ?? "")]);
      return Buffer.from(sha1(rest[0] ?? ""));
    }
    if (name === "SCRIPT" && /^flush$/i.test(first)) this.#known.clear();
    return this.#call(redis, name, args);
  }

  #call(redis: Redis, name: string, args: readonly string[]): Promise<Reply> {
    return redis.callBuffer(name, ...args) as Promise<Reply>;
  }

  async run(
    command: readonly unknown[],
    isBase64: boolean,
    redis: Redis = this.redis,
  ): Promise<Result> {
    const [name = "", ...args] = command.map((part) =>
      typeof part === "string" ? part : JSON.stringify(part),
    );
    try {
      const reply = await this.#send(name.toUpperCase(), args, redis);
      return { result: this.#isStatus(reply, name) ? "OK" : toJson(reply, isBase64) };
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  #isStatus(reply: Reply, name: string): boolean {
    if (!Buffer.isBuffer(reply) || reply.toString() !== "OK") return false;
    return this.leavesEveryOkPlain || !/^GET/i.test(name);
  }

  async transaction(
    commands: readonly (readonly unknown[])[],
    isBase64: boolean,
  ): Promise<unknown> {
    const redis = this.redis.duplicate();
    try {
      await redis.call("MULTI");
      const queued = await Promise.all(commands.map((command) => this.run(command, false, redis)));
      const refused = queued.find((result) => "error" in result);
      if (refused) return refused;
      const replies = (await redis.callBuffer("EXEC")) as (Reply | Error)[];
      return replies.map((reply) =>
        reply instanceof Error
          ? { error: reply.message }
          : { result: this.#inTransaction(reply, isBase64) },
      );
    } finally {
      redis.disconnect();
    }
  }

  #inTransaction(reply: Reply, isBase64: boolean): unknown {
    return this.#isStatus(reply, "") ? "OK" : toJson(reply, isBase64);
  }
}
