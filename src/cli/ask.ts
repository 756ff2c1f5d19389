/** Questions to a server that may refuse to answer: managed services deny much of what tells about them. */
import type { Command, Sender, SendOptions } from "../connection/channel.ts";
import { KitError } from "../errors.ts";

/** Milliseconds that a question may take: longer than a request would wait. */
export const PATIENCE = 2000;

/** An answer, or why there is none. */
export type Answer<T> =
  | { readonly reply: T; readonly denied?: undefined }
  | { readonly denied: string; readonly reply?: undefined };

/** What a KitError says, without its fix and its code. */
export function wordsOf(error: KitError): string {
  const tail = ` ${error.fix} [${error.code}]`;
  return error.message.endsWith(tail) ? error.message.slice(0, -tail.length) : error.message;
}

/** The same with its code, by which docs/errors.md and a search engine know it. */
export function wordsAndCode(error: KitError): string {
  return `${wordsOf(error)} [${error.code}]`;
}

/** What the server said; undefined where it was not the server that spoke. */
export function serverWords(error: unknown): string | undefined {
  if (!(error instanceof KitError) || error.code !== "REDIS_COMMAND_FAILED") return undefined;
  return error.cause instanceof Error ? error.cause.message : wordsOf(error);
}

function denial([name, first]: Command, words: string): string {
  const what = /^(ACL|CLIENT|CLUSTER|CONFIG|MEMORY|SLOWLOG)$/.test(name)
    ? `${name} ${String(first)}`
    : name;
  if (words.startsWith("NOPERM")) return `this user may not run ${what}`;
  if (/unknown (sub)?command/i.test(words)) return `the server does not know ${what}`;
  return `the server answered ${what} with "${words.slice(0, 120)}"`;
}

/**
 * Asks. A refusal is an answer too; a lost connection or a timeout is not, and throws.
 *
 * @throws KitError `REDIS_TIMEOUT`, `REDIS_UNAVAILABLE`
 */
export async function ask<T>(
  sender: Sender,
  command: Command,
  options: SendOptions = {},
): Promise<Answer<T>> {
  try {
    return { reply: (await sender.send(command, { within: PATIENCE, ...options })) as T };
  } catch (error) {
    const words = serverWords(error);
    if (words === undefined) throw error;
    return { denied: denial(command, words) };
  }
}

/** The fields of INFO. */
export class Info {
  readonly #fields: ReadonlyMap<string, string>;

  constructor(text: string) {
    const lines = text.split(/\r?\n/).filter((line) => line.includes(":") && !line.startsWith("#"));
    this.#fields = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
    );
  }

  text(name: string): string | undefined {
    return this.#fields.get(name) || undefined;
  }

  number(name: string): number | undefined {
    const value = Number(this.text(name) ?? Number.NaN);
    return Number.isFinite(value) ? value : undefined;
  }
}

/** One server that holds keys. */
export interface Server {
  /** As a report calls it; empty where there is only one. */
  readonly name: string;
  readonly sender: Sender;
  readonly info: Answer<Info>;
}

/** Asks every server for its INFO. */
export async function meet(senders: readonly Sender[]): Promise<Server[]> {
  return Promise.all(
    senders.map(async (sender, index) => {
      const answer = await ask<string>(sender, ["INFO"]);
      const info = answer.denied === undefined ? { reply: new Info(answer.reply) } : answer;
      const port = info.reply?.number("tcp_port");
      const place = port === undefined ? "" : ` (port ${port})`;
      const name = senders.length === 1 ? "" : `master ${index + 1} of ${senders.length}${place}`;
      return { name, sender, info };
    }),
  );
}

/** The name of a server before what is said of it. */
export function named(server: Server, text: string): string {
  return server.name === "" ? text : `${server.name}: ${text}`;
}
