/** Whether the kit's user may run a command on a key: asked of the server, or tried in a form that changes nothing. */
import { randomUUID } from "node:crypto";
import type { Config } from "../config.ts";
import type { Channel, Command, Part, Sender } from "../connection/channel.ts";
import type { KeyKind } from "../keys.ts";
import { ask, PATIENCE, serverWords } from "./ask.ts";
import { COMMANDS_USED, type UsedCommand } from "./commands-used.ts";

/** What stands in the way. */
export type Verdict =
  | "allowed"
  | "no command"
  | "no key"
  | "no channel"
  | "unknown command"
  | "untried";

/** One right that the kit needs. */
export interface Need {
  readonly command: UsedCommand;
  /** Undefined for a command that names no key. */
  readonly kind: KeyKind | undefined;
}

/** A need, and whether it is met. */
export interface Judged extends Need {
  readonly verdict: Verdict;
}

/** All that the kit needs on a deployment. */
export function needsOf(config: Config, kinds: readonly KeyKind[]): Need[] {
  return COMMANDS_USED.filter((command) => command.appliesTo?.(config) ?? true).flatMap(
    (command): Need[] =>
      command.on.length === 0
        ? [{ command, kind: undefined }]
        : kinds.filter(({ name }) => command.on.includes(name)).map((kind) => ({ command, kind })),
  );
}

/** A key that nobody has. */
const PROBE = `@doctor-${randomUUID()}`;

function written({ command, kind }: Need): Command {
  const [name = "", ...sub] = command.name.split("|");
  return [name, ...sub, ...command.args(kind?.example(PROBE) ?? "")] as [string, ...Part[]];
}

/** Reads what a server says of a command that it does not let through. */
function verdictOf(words: string): Verdict {
  if (/unknown (sub)?command|not found|not available|not supported/i.test(words)) {
    return "unknown command";
  }
  // What is denied stands behind its name, which may hold any word.
  if (/\bchannels?\b[^']*$/i.test(words)) return "no channel";
  if (/no permissions? to access|\bkeys?\b.*(used as arguments|permission)/i.test(words))
    return "no key";
  return /NOPERM|no permission/i.test(words) ? "no command" : "allowed";
}

/** Asks `ACL DRYRUN` (Redis 7); undefined where that is denied. */
async function asked(sender: Sender, user: string, need: Need): Promise<Verdict | undefined> {
  const command = ["ACL", "DRYRUN", user, ...written(need)] as unknown as Command;
  try {
    const reply = String(await sender.send(command, { within: PATIENCE }));
    return reply === "OK" ? "allowed" : verdictOf(`NOPERM ${reply}`);
  } catch (error) {
    const words = serverWords(error);
    if (words === undefined) throw error;
    // Not the tried command but the asking is denied, or unknown.
    if (/^NOPERM|unknown (sub)?command 'DRYRUN|ACL|User '.*' not found/i.test(words))
      return undefined;
    return /not found|not available/i.test(words) ? "unknown command" : undefined;
  }
}

/** Whether the server answers `ACL DRYRUN` for this user, and then what it says of every need. */
export async function askAll(
  sender: Sender,
  user: string,
  needs: readonly Need[],
): Promise<Judged[] | undefined> {
  const verdicts = await Promise.all(needs.map((need) => asked(sender, user, need)));
  if (verdicts.every((verdict) => verdict === undefined)) return undefined;
  return needs.map((need, index) => ({ ...need, verdict: verdicts[index] ?? "untried" }));
}

/** Asks the server that holds a key. */
async function speaksResp3(channel: Channel, key: string): Promise<boolean> {
  const { reply } = await ask<readonly unknown[]>(channel, ["HELLO"], { key });
  return reply?.[reply.indexOf("proto") + 1] === 3;
}

async function tried(channel: Channel, need: Need): Promise<Verdict> {
  const key = need.kind?.example(PROBE);
  try {
    if (need.command.needsResp3 && !(await speaksResp3(channel, key!))) return "untried";
    await channel.send(written(need), { within: PATIENCE, ...(key !== undefined && { key }) });
    return "allowed";
  } catch (error) {
    const words = serverWords(error);
    if (words === undefined) throw error;
    return verdictOf(words);
  }
}

/**
 * Tries every need on keys that nobody has. A command that would create its key is tried on a text that
 * is there for a moment: SADD is then refused with WRONGTYPE, INCR for want of a number, which is as
 * good as a yes.
 */
export async function tryAll(channel: Channel, needs: readonly Need[]): Promise<Judged[]> {
  const harmless = needs.filter(({ command }) => !command.creates);
  const verdicts = await Promise.all(harmless.map((need) => tried(channel, need)));
  const judged: Judged[] = harmless.map((need, at) => ({ ...need, verdict: verdicts[at]! }));
  for (const need of needs.filter(({ command }) => command.creates)) {
    const key = need.kind!.example(PROBE);
    // eslint-disable-next-line no-await-in-loop -- each on a key that the one before has left
    const { reply } = await ask(channel, ["SET", key, "text", "PX", 5000, "NX"], { key });
    // eslint-disable-next-line no-await-in-loop
    const verdict = reply === "OK" ? await tried(channel, need) : "untried";
    judged.push({ ...need, verdict });
    // eslint-disable-next-line no-await-in-loop -- where DEL is denied, the key ends by itself
    await ask(channel, ["DEL", key], { key });
  }
  return judged;
}
