// node build.mjs TOOLS SOURCE WIT COMPONENT: makes a component with the ComponentizeJS that lies in TOOLS.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [tools, source, witPath, file] = process.argv.slice(2);
const module = join(tools, 'node_modules/@bytecodealliance/componentize-js/src/componentize.js');
const { componentize } = await import(pathToFileURL(module).href);
const enableFeatures = ['http', 'fetch-event', 'stdio', 'clocks', 'random'];
const { component } = await componentize(await readFile(source, 'utf8'), {
  witPath,
  worldName: 'guest',
  enableFeatures,
});
await writeFile(file, component);
