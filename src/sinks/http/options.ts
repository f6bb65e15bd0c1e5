/** What the HTTP sink can be told, and the check that it makes sense. */
import { TapError } from "../../errors.ts";

export interface HttpSinkOptions {
  /** Where requests go. */
  url: string;
  /** Sent with each request, after the sink's own. */
  headers?: Readonly<Record<string, string>>;
  /** Records of one request. Default 100. */
  batchSize?: number;
  /** UTF-8 bytes of one request before compression; a larger record goes alone. Default 1,000,000. */
  maxRequestBytes?: number;
  /** Compress bodies. Default false. */
  gzip?: boolean;
  /**
   * Signs each request. `whsec_` and base64 as Standard Webhooks has it, or any text, whose bytes are then the key. Given as
   * `undefined` (a variable that is not set) it is an error: what should be signed never goes out unsigned.
   */
  secret?: string | undefined;
  /** Milliseconds for a request and its answer. Default 30,000. */
  requestTimeoutMs?: number;
  /** Default `http`. */
  name?: string;
  /** The most that this sink gets. Default `full`. */
  content?: "full" | "metadata";
  /** Told once of each thing that only a person can mend (a wrong URL, refused records). Default: one line on stderr. */
  onWarning?: (message: string) => void;
  /** Default: `globalThis.fetch` as it is at the time of each request. */
  fetch?: typeof fetch;
}

/** @throws TapError `invalid_option` */
export function checkOptions(options: HttpSinkOptions): void {
  const { url, headers, secret, batchSize, maxRequestBytes, requestTimeoutMs } = options ?? {};
  if (typeof url !== "string" || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`"url" must be an http(s) URL, got ${JSON.stringify(url)}`);
  }
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") {
    throw invalid('"url" must not hold credentials, fetch refuses them; put them into "headers" as authorization');
  }
  if (Object.hasOwn(options, "secret") && (typeof secret !== "string" || secret === "")) {
    throw invalid(`"secret" must be a text that is not empty. Is the environment variable set?`);
  }
  for (const [name, value] of Object.entries({ batchSize, maxRequestBytes, requestTimeoutMs })) {
    if (value !== undefined && !(typeof value === "number" && value >= 1)) {
      throw invalid(`"${name}" must be a number of at least 1, got ${JSON.stringify(value)}`);
    }
  }
  if (headers === undefined) return;
  const problem = findProblem(() => new Headers(headers));
  if (problem !== undefined) throw invalid(`"headers" can't be sent: ${problem}`);
}

function findProblem(make: () => unknown): string | undefined {
  try {
    make();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function invalid(reason: string): TapError {
  return new TapError("invalid_option", `httpSink: ${reason}.`);
}
