import type { JSX } from 'preact';
import { ChannelHeading } from './channel-heading.js';
import { ChannelList } from './channel-list.js';
import { EmptyHub } from './empty-hub.js';
import { EventStream } from './event-stream.js';
import { Masthead } from './masthead.js';
import { PublishForm } from './publish-form.js';
import { RateChart } from './rate-chart.js';
import { Snippets } from './snippets.js';
import { isHubEmpty } from './state.js';

export function App(): JSX.Element {
  return (
    <div class="page">
      <Masthead />
      <main class="layout">
        <ChannelList />
        <section class="stage" aria-label="Channel">
          {isHubEmpty.value ? <EmptyHub /> : <Stage />}
        </section>
        <aside class="desk" aria-label="Try it">
          <PublishForm />
          <Snippets />
        </aside>
      </main>
    </div>
  );
}

function Stage(): JSX.Element {
  return (
    <>
      <div class="card overview">
        <ChannelHeading />
        <RateChart />
      </div>
      <EventStream />
    </>
  );
}
