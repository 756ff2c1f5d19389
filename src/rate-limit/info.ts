/** `req.rateLimit`. */
import { resetOf, type Row } from "./rows.ts";

/** What `req.rateLimit` says: the quota that will stop this client first. */
export class RateLimitInfo {
  /** Requests per window. */
  readonly limit: number;
  /** Requests that count now, this one included if it was admitted. */
  readonly used: number;
  /** Requests that would be admitted now. */
  readonly remaining: number;
  /** When the window ends or the bucket is full; for a refused request, when it can come again. */
  readonly resetTime: Date;
  /** The Redis key. */
  readonly key: string;

  /** @internal */
  constructor(row: Row) {
    this.limit = row.quota.limit;
    this.used = row.standing.used;
    this.remaining = row.standing.remaining;
    this.resetTime = new Date(Date.now() + resetOf(row));
    this.key = row.key;
  }

  /** express-rate-limit's older name of `used`. */
  get current(): number {
    return this.used;
  }
}
