#!/bin/sh
# Make a certificate authority and the broker's certificate for deploy/kafka-secure.compose.yml, with openssl:
#
#   sh deploy/kafka_certificates.sh <folder> [days]
#
# ca.pem is what clients trust; broker.pem holds the broker's key and certificate. The authority's own key is not kept:
# to renew, remove the folder, make it anew, and start the containers again.
set -eu

folder=${1:?usage: sh deploy/kafka_certificates.sh <folder> [days]}
days=${2:-825}
if [ -e "$folder" ]; then
    echo "$folder is there already; nothing was changed" >&2
    exit 2
fi
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days "$days" -subj /CN=shop-kafka-authority \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=kafka \
    -addext subjectAltName=DNS:kafka,DNS:localhost -keyout "$work/broker.key" -out "$work/broker.csr" \
    2>"$work/log" || { cat "$work/log" >&2; exit 1; }
openssl x509 -req -days "$days" -in "$work/broker.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
    -copy_extensions copy -out "$work/broker.crt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

mkdir -p "$folder"
cat "$work/broker.key" "$work/broker.crt" >"$folder/broker.pem"
cp "$work/ca.pem" "$folder/ca.pem"
# Compose mounts the files as they are: the containers' own users must be able to read them.
chmod 755 "$folder"
chmod 644 "$folder/ca.pem"
chmod 600 "$folder/broker.pem"
echo "made $folder/ca.pem and $folder/broker.pem; the broker's container (user id 1000) must be able to read the second:"
echo "  sudo chown 1000 $folder/broker.pem"
