/** What a refused client reads. */
import type { IncomingMessage, ServerResponse } from "node:http";
import accepts from "accepts";
import type { Request, Response } from "express";
import type { Options as ShellOptions } from "express-rate-limit";
import type { Answer } from "./counter.ts";

/** The type URI that the RateLimit draft registers for this problem. */
const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/** Answers with problem+json (RFC 9457) where the client accepts JSON, with a line of text otherwise. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  answers: readonly Answer[],
  status: number,
): void {
  if (response.headersSent) return;
  const refusing = answers.filter(({ decision }) => !decision.admitted).map(({ type }) => type);
  const offered = ["application/problem+json", "application/json", "text/html", "text/plain"];
  const wanted = accepts(request).type(offered);
  const isJson = wanted === "application/problem+json" || wanted === "application/json";
  const body = isJson
    ? JSON.stringify({
        type: QUOTA_EXCEEDED,
        title: "Too many requests",
        status,
        "violated-policies": refusing,
      })
    : "Too many requests, please try again later.";
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
