/**
 * A `Redis` of @upstash/redis that the application made.
 *
 * Commands go to its requester, below what the package does to them: automatic pipelines, JSON made of
 * arguments and parsed out of replies. The requester itself decodes replies as text, so that bytes which
 * are no text are written behind a marker (binary.ts). A text that begins with a byte order mark, as none of
 * the kit's does, loses it there.
 */
import type { ClientTarget } from "../../config/redis-target.ts";
import { decodeBytes, encodeBytes, plainText } from "../binary.ts";
import type { Command, SendOptions } from "../channel.ts";
import { explainFailure } from "./failures.ts";
import type { Wire } from "./wire.ts";

interface Answer {
  readonly result?: unknown;
  readonly error?: unknown;
}

interface Requester {
  readonly retry?: { readonly attempts?: unknown };
  request(request: { body: string[]; signal: AbortSignal }): Promise<Answer>;
}

/** The package keeps it as `client`. */
function requesterOf({ client }: ClientTarget): Requester {
  return (client as { client: Requester }).client;
}

/** How often a request may be sent after its first attempt failed; undefined where that is not known. */
export function furtherAttempts(target: ClientTarget): unknown {
  return requesterOf(target).retry?.attempts;
}

/** The value of SET alone is read back as bytes. */
function bodyOf(command: Command, what: string): string[] {
  const isSet = command[0] === "SET";
  return command.map((part, index) => {
    if (isSet && index === 2) return encodeBytes(typeof part === "number" ? String(part) : part);
    return typeof part === "object" ? plainText(part, what) : String(part);
  });
}

function valueOf(result: unknown, { bytes }: SendOptions): unknown {
  if (typeof result !== "string") return result;
  const value = decodeBytes(Buffer.from(result));
  return bytes === true ? value : value.toString();
}

function replyOf([name]: Command, result: unknown, options: SendOptions): unknown {
  if (name === "GET") return valueOf(result, options);
  if (name !== "MGET" || !Array.isArray(result)) return result;
  return result.map((item) => valueOf(item, options));
}

/**
 * Whether requests obey an abort signal of their own; earlier versions of the package ignore it. Asked by
 * a request that is aborted before it begins: nothing of it is sent where the signal is obeyed.
 */
export async function obeysSignals(target: ClientTarget): Promise<boolean> {
  const reason = "aborted before it began";
  try {
    const { result } = await requesterOf(target).request({
      body: ["PING"],
      signal: AbortSignal.abort(reason),
    });
    // @upstash/redis answers an aborted request with the reason in place of a result.
    return result !== "PONG";
  } catch (error) {
    return error === reason;
  }
}

/** Speaks through the client's requester. */
export function upstashWire(target: ClientTarget): Wire {
  const requester = requesterOf(target);
  const wire: Wire = {
    obstacle: () => undefined,
    transmit: async (command, options, signal) => {
      const { result, error } = await requester.request({
        body: bodyOf(command, options.what ?? command[0]),
        signal,
      });
      if (typeof error === "string") {
        throw Object.assign(new Error(error), { name: "UpstashError" });
      }
      return replyOf(command, result, options);
    },
    explain: (error, command, what) =>
      explainFailure(error, command, what, target, furtherAttempts(target) === 0),
    masters: async () => [wire],
  };
  return wire;
}
