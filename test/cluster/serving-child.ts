/** A process that gives a file: a part of it at once, the rest when there is a file that says so. */

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer } from '../base/child-answers.ts';

const POLL_MS = 5;

answer({
  serve: async (path: string, firstBytes: number, goOn: string) => {
    const content = readFileSync(path);
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, firstBytes));
      const poll = setInterval(() => {
        if (!existsSync(goOn)) return;
        clearInterval(poll);
        response.end(content.subarray(firstBytes));
      }, POLL_MS);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
});
