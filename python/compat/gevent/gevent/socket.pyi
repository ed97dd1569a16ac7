from grove.socket import *

# What older type checkers do not know of the standard module.
CAPI: object
BTPROTO_HCI: int
BTPROTO_L2CAP: int
BTPROTO_SCO: int
HCI_DATA_DIR: int
HCI_FILTER: int
HCI_TIME_STAMP: int
IPPROTO_UDPLITE: int
IP_BIND_ADDRESS_NO_PORT: int
SO_DOMAIN: int
SO_PASSSEC: int
SO_PEERSEC: int
SO_PROTOCOL: int
TCP_CONGESTION: int
TCP_USER_TIMEOUT: int
UDPLITE_RECV_CSCOV: int
UDPLITE_SEND_CSCOV: int
