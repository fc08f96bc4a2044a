import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onPath } from '../../setup/debian.js'
import { findNginx } from '../../setup/nginx.js'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import type { Meter } from '../scenarios.js'

/**
 * nginx as a reverse proxy: for each client a connection of its own to the media server. This process starts it, where it is
 * pinned itself, and has nothing to do while it is measured.
 */

const READY_MS = 5_000

const { port: upstream } = given<Upstream>()
const path = findNginx()
if (path === null) throw new Error('there is no nginx')
const folder = mkdtempSync(join(tmpdir(), 'trunkline-bench-nginx-'))
const port = await freePort()
const config = join(folder, 'nginx.conf')
writeFileSync(config, configuration())
// It is to end with this process, however that ends.
const bound = onPath('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL']
const [program = path, ...args] = [...bound, path, '-p', folder, '-c', config, '-e', 'stderr']
const nginx = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
process.on('exit', () => {
  nginx.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
nginx.on('error', (error) => { throw error })
nginx.on('exit', (code, signal) => { throw new Error(`nginx has ended (${signal ?? code})`) })

await listening()
serve({ port }, { meter })

/** Of nginx, by what the kernel says of its one thread. */
function meter (): Meter {
  const [nanoseconds] = readFileSync(`/proc/${nginx.pid}/schedstat`, 'utf8').split(' ')
  return { wallMs: performance.now(), cpuMs: Number(nanoseconds) / 1e6 }
}

/** One process, which is its own worker. The rest is as its manual has it for WebSocket, without what others here do not do either, and with buffers as large as it pays. */
function configuration (): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${join(folder, what)};`)
  return `
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${join(folder, 'nginx.pid')};
error_log stderr crit;
events { worker_connections 19000; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_buffer_size 16k;
      proxy_buffers 4 16k;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`
}

/** It cannot say itself which port it was given. */
async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

async function listening (): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (!await answers()) {
    if (performance.now() > deadline) throw new Error(`nginx does not listen after ${READY_MS} ms`)
    await sleep(10)
  }
}

async function answers (): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
