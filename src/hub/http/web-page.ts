import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface PageFile {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** The built web page, read once: nothing that is not among its files can be asked for. */
export class WebPage {
  readonly #files: ReadonlyMap<string, PageFile>;
  readonly #basePath: string;

  /** `folder` holds `index.html` and its assets; where it is not there, the hub has no page. */
  constructor(folder: string, basePath: string) {
    this.#basePath = basePath;
    this.#files = new Map(
      filesIn(folder).map((path) => [`/${relative(folder, path).split(sep).join('/')}`, readPageFile(path)]),
    );
  }

  /** Paths of the files. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Answers for `/` and one of {@link paths}; `/` is `index.html` for programs that accept HTML. */
  answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    if (path === '') this.#addSlash(response);
    else if (path === '/') this.#answerRoot(request, response);
    else this.#send(path, response);
  }

  /** Without it, the page's relative addresses would point beside the hub. */
  #addSlash(response: ServerResponse): void {
    response.writeHead(308, { Location: `${this.#basePath}/` }).end();
  }

  #answerRoot(request: IncomingMessage, response: ServerResponse): void {
    const isHtmlWanted = request.headers.accept?.includes('text/html') ?? false;
    if (isHtmlWanted && this.#send('/index.html', response)) return;
    response.writeHead(301, { Location: `${this.#basePath}/health`, Vary: 'Accept, Origin' }).end();
  }

  #send(path: string, response: ServerResponse): boolean {
    const file = this.#files.get(path);
    if (file === undefined) return false;
    response.writeHead(200, { ...file.headers }).end(file.bytes);
    return true;
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function readPageFile(path: string): PageFile {
  const bytes = readFileSync(path);
  const isHashed = path.includes(`${sep}assets${sep}`);
  return {
    bytes,
    headers: {
      'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
      'Content-Length': String(bytes.length),
      'Cache-Control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      Vary: 'Accept, Origin',
    },
  };
}
