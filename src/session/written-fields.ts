/** The header fields that a handler passes to `writeHead`. */
import type { ServerResponse } from "node:http";

/**
 * Sets the fields that were passed to `writeHead`, in any of Node's forms, so that `onHeader` sees them;
 * answers what is left to pass.
 */
export function takeFields(response: ServerResponse, args: unknown[]): unknown[] {
  const fields = typeof args[1] === "string" ? args[2] : (args[2] ?? args[1]);
  if (typeof fields !== "object" || fields === null) return args;
  if (!Array.isArray(fields)) {
    for (const [name, value] of Object.entries(fields))
      if (name) response.setHeader(name, value as string);
  } else {
    const isFlat = !Array.isArray(fields[0]);
    const all = isFlat ? pairsOf(fields as string[]) : (fields as [string, string][]);
    const pairs = all.filter(([name]) => name); // As Node does.
    for (const [name] of pairs) response.removeHeader(name);
    for (const [name, value] of pairs) response.appendHeader(name, value);
  }
  return typeof args[1] === "string" ? args.slice(0, 2) : args.slice(0, 1);
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]!]] : []));
}
