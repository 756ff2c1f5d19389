/** What a handler must not see of a request, so that its answer can be stored. */
import type { IncomingMessage } from "node:http";
import type { Fields } from "../store/entry.ts";

/** Request fields that would make a handler answer with something that cannot be stored or reused. */
const HIDDEN = [
  "if-none-match",
  "if-modified-since",
  "if-match",
  "if-unmodified-since",
  "if-range",
  "range",
  "accept-encoding",
];

/**
 * Takes conditionals, ranges and codings off a request, so that the handler answers in full and
 * unencoded; answers what puts them back, for middlewares that see the request after the handler.
 */
export function hideConditions(request: IncomingMessage): () => void {
  const { headers } = request;
  const seen = HIDDEN.map((name) => [name, headers[name]] as const);
  for (const name of HIDDEN) delete headers[name];
  return () => {
    for (const [name, value] of seen) {
      if (value === undefined) delete headers[name];
      else headers[name] = value;
    }
  };
}

/**
 * Asks the handler whether what is stored still holds (RFC 9111, section 4.3.1): with the validators of
 * the handler's own answer, in place of the client's.
 */
export function askToValidate(request: IncomingMessage, fields: Fields): void {
  const { etag, "last-modified": modified } = fields;
  if (etag !== undefined) request.headers["if-none-match"] = String(etag);
  if (modified !== undefined) request.headers["if-modified-since"] = String(modified);
}
