// A guest in JavaScript, made by ComponentizeJS (WASI 0.2), that does not know us.

const PAGES = {
  hello: async () => new Response('hello'),

  echo: async (request) => new Response(await request.arrayBuffer()),

  // Two pieces, with an answer from elsewhere between them.
  stream: async (request, url) => {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    (async () => {
      await writer.write(new TextEncoder().encode('first '));
      const between = await fetch(url);
      await writer.write(new TextEncoder().encode(await between.text()));
      await writer.close();
    })();
    return new Response(readable);
  },

  forward: async (request, url) => {
    const answer = await fetch(url, { method: 'POST', body: await request.text() });
    return new Response(await answer.text(), { status: answer.status });
  },

  denied: async (request, url) => {
    try {
      await fetch(url);
      return new Response('answered');
    } catch (error) {
      return new Response('refused');
    }
  },

  fail: async () => {
    throw new Error('as asked');
  },

  pour: async () => {
    const piece = new TextEncoder().encode('x'.repeat(4096));
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) }));
  },
};

async function answer(request) {
  const url = new URL(request.url);
  const page = PAGES[url.pathname.split('/').pop()];
  return page ? page(request, url.searchParams.get('url')) : new Response(null, { status: 404 });
}

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));
