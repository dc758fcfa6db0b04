# asyncio: many streams at a time, one that nobody answers, and their orderly end.
import asyncio, errno, sys

host, port, closed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def one(number):
    reader, writer = await asyncio.open_connection(host, port)
    text = f"stream {number} ".encode() * 500
    writer.write(text)
    await writer.drain()
    back = await reader.readexactly(len(text))
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    await writer.wait_closed()
    return back == text and rest == b""

async def refused():
    try:
        await asyncio.open_connection(host, closed)
    except OSError as error:
        return errno.errorcode[error.errno]

async def main():
    results = await asyncio.gather(*(one(number) for number in range(20)), refused())
    print(results)

asyncio.run(main())
