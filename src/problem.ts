/** The body of an answer that says what is wrong: problem+json (RFC 9457), or a line of text. */
import type { IncomingMessage } from "node:http";
import accepts from "accepts";

/** A problem: as RFC 9457 describes it, and as the line of text that says the same. */
export interface Problem {
  readonly json: string;
  readonly text: string;
}

/** What is sent. */
export interface ProblemBody {
  readonly contentType: string;
  readonly body: string;
}

const OFFERED = ["application/problem+json", "application/json", "text/html", "text/plain"];

/** problem+json where the client accepts JSON, a line of text otherwise. */
export function problemBody(request: IncomingMessage, { json, text }: Problem): ProblemBody {
  const wanted = accepts(request).type(OFFERED);
  const isJson = wanted === "application/problem+json" || wanted === "application/json";
  return isJson
    ? { contentType: "application/problem+json", body: json }
    : { contentType: "text/plain; charset=utf-8", body: text };
}
