/** What a refused client reads. */
import type { IncomingMessage, ServerResponse } from "node:http";
import accepts from "accepts";
import type { Request, Response } from "express";
import type { Options as ShellOptions } from "express-rate-limit";
import type { Row } from "./headers.ts";

/** The type URI that the RateLimit draft registers for this problem. */
const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/** A problem as RFC 9457 describes it, and the line of text that says the same. */
interface Problem {
  readonly title: string;
  readonly text: string;
  /** Members of the JSON beside `title` and `status`; without a `type`, it is `about:blank`. */
  readonly members?: object;
}

/** Answers a request that one of the limits refused. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  rows: readonly Row[],
  status: number,
): void {
  const refusing = rows.filter(({ isRefusing }) => isRefusing).map(({ name }) => name);
  sendProblem(request, response, status, {
    title: "Too many requests",
    text: "Too many requests, please try again later.",
    members: { type: QUOTA_EXCEEDED, "violated-policies": refusing },
  });
}

/** Turns a client away whose address the option `deny` names. */
export function turnAway(request: IncomingMessage, response: ServerResponse): void {
  sendProblem(request, response, 403, { title: "Forbidden", text: "Forbidden." });
}

/** Answers with problem+json (RFC 9457) where the client accepts JSON, with a line of text otherwise. */
function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { title, text, members }: Problem,
): void {
  if (response.headersSent) return;
  const offered = ["application/problem+json", "application/json", "text/html", "text/plain"];
  const wanted = accepts(request).type(offered);
  const isJson = wanted === "application/problem+json" || wanted === "application/json";
  const body = isJson ? JSON.stringify({ ...members, title, status }) : text;
  response.statusCode = status;
  response.setHeader("Cache-Control", "no-store");
  response.setHeader(
    "Content-Type",
    isJson ? "application/problem+json" : "text/plain; charset=utf-8",
  );
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(request.method === "HEAD" ? undefined : body);
}

/** express-rate-limit's `message`: text, a value for JSON, or what answers one. */
export async function sendMessage(
  request: Request,
  response: Response,
  message: NonNullable<ShellOptions["message"]>,
  status: number,
): Promise<void> {
  const value: unknown = typeof message === "function" ? await message(request, response) : message;
  if (response.writableEnded) return;
  const isText = typeof value === "string";
  response.statusCode = status;
  response.setHeader(
    "Content-Type",
    isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8",
  );
  response.end(isText ? value : JSON.stringify(value));
}
