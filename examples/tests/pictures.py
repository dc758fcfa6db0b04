"""Makes pictures of every colour type in examples/pictures, without libpng."""
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def picture(name, kind, depth, channels, size=(37, 23), palette=b""):
    width, height = size
    row = (width * depth * channels + 7) // 8
    rows = b"".join(bytes([y % 5]) + bytes((x * 7 + y * 13) % 256 for x in range(row)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    open(f"examples/pictures/{name}.png", "wb").write(b"\x89PNG\r\n\x1a\n" + body)
picture("gray-1", 0, 1, 1)
picture("gray-16", 0, 16, 1)
picture("colour", 2, 8, 3)
picture("colour-16", 2, 16, 3)
picture("palette", 3, 8, 1, palette=chunk(b"PLTE", bytes(range(256)) * 3))
picture("gray-alpha", 4, 8, 2)
picture("colour-alpha", 6, 8, 4, size=(640, 480))
